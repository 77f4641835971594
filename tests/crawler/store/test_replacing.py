"""A better copy takes the place of a kept image: never both, never neither."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from services.crawler.catalogue import (
    distinct_pairs,
    frontier,
    purges,
    refetches,
    releases,
    replacements,
)
from services.crawler.catalogue.distinct_pairs import PairNeeded
from services.crawler.catalogue.purges import PurgeSelection
from services.crawler.catalogue.releases import FetchedAgain
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.finding import Finding
from services.crawler.store.recorder import Recorder
from services.crawler.store.recording import End, Entry, Recording
from services.crawler.store.seen_keeping import ArchiveTerms, SeenKeeping
from tests.crawler.store.replacing_world import PROFILE, Copies, digest_of
from tests.crawler.subjects import decoded_candidate, random_fingerprint

PICTURES, COPIES = 6, 8


@pytest.fixture
async def world(tmp_path, place):
    world = Copies(tmp_path, place)
    await world.begin()
    yield world
    await world.close()


async def test_a_better_copy_takes_the_place(world):
    """Row, files, judgement, counts and memory: one is kept, the other is gone and still known."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    old_names = world.names()
    await world.accept(two, 2, 2, bits=3)
    assert await world.kept() == [digest_of(2)]
    assert not world.store.has(digest_of(1))
    assert not world.store.path(digest_of(1)).with_suffix(".json").exists()
    assert len(world.names()) == 1
    assert world.names() != old_names
    replaced = await world.judgement(1)
    assert (replaced.verdict, replaced.duplicate_of) == (Verdict.REPLACED, digest_of(2))
    assert replaced.reason.startswith(f"replaced by {digest_of(2)[:12]}, a better copy: 2000x1000")
    assert (await world.judgement(2)).verdict is Verdict.ACCEPTED
    assert await world.counts() == {Verdict.ACCEPTED: 1, Verdict.REPLACED: 1}
    assert await asyncio.to_thread(world.problems) == []


async def test_what_is_not_better_is_a_duplicate(world):
    """Too few pixels, no more detail, or more of a watermark; the kept one stays, and no bytes are written."""
    listed = await world.lease(5)
    await world.accept(listed[0], 1, 2, probability=0.1)
    await world.accept(listed[1], 2, 3)
    await world.accept(listed[2], 3, 4, detail=False)
    await world.accept(listed[3], 4, 4, probability=0.4)
    await world.accept(listed[4], 5, 1)
    assert await world.kept() == [digest_of(1)]
    for number in (2, 3, 4, 5):
        judged = await world.judgement(number)
        assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(1))
        assert not world.store.has(digest_of(number))
    assert await asyncio.to_thread(world.problems) == []


async def test_a_cleaner_copy_takes_the_place(world):
    """Of the same size, with a watermark probability that is lower by a quarter."""
    one, two = await world.lease(2)
    await world.accept(one, 1, probability=0.4)
    await world.accept(two, 2, bits=1, probability=0.1)
    assert await world.kept() == [digest_of(2)]
    assert await asyncio.to_thread(world.problems) == []


async def test_better_and_better(world):
    """A chain: the last one is kept, whatever it is near of those before it."""
    listed = await world.lease(4)
    for number, size in enumerate((1, 2, 4, 8)):
        await world.accept(listed[number], number, size, bits=2 * number)
    assert await world.kept() == [digest_of(3)]
    assert await world.counts() == {Verdict.ACCEPTED: 1, Verdict.REPLACED: 3}
    assert len(world.names()) == 1
    assert await asyncio.to_thread(world.problems) == []


async def test_one_better_copy_of_two_kept_images(world):
    """Which are not near each other: both are that picture, and it takes the place of both."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1, bits=0)
    await world.accept(two, 2, bits=12)
    assert len(await world.kept()) == 2
    await world.accept(three, 3, 2, bits=6)
    assert await world.kept() == [digest_of(3)]
    assert await asyncio.to_thread(world.problems) == []


async def test_what_was_replaced_does_not_come_back_through_its_copies(world):
    """Near the replaced one and not its successor: a duplicate, however large."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1, bits=8)
    await world.accept(two, 2, 2, bits=0)
    await world.accept(three, 3, 16, bits=12)
    judged = await world.judgement(3)
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(1))
    assert await asyncio.to_thread(world.problems) == []


async def test_what_another_profile_keeps_too_stays(world):
    """It has not judged the copy; what another profile finds replaces nothing of this one's either."""
    sunsets = ProfileVersion("sunsets", 1)
    await world.begin("c2", sunsets)
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, crawl_id="c2", profile=sunsets)
    assert (await world.judgement(2, sunsets)).verdict is Verdict.DUPLICATE
    await world.accept(one, 1, crawl_id="c2", profile=sunsets)
    await world.accept(three, 3, 2)
    assert await world.kept() == [digest_of(1), digest_of(1)]
    assert (await world.judgement(3)).verdict is Verdict.DUPLICATE


async def test_a_replaced_image_is_kept_by_no_other_profile(world):
    """Its bytes come along once more: they were replaced."""
    sunsets = ProfileVersion("sunsets", 1)
    await world.begin("c2", sunsets)
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, 2)
    await world.accept(three, 1, crawl_id="c2", profile=sunsets)
    judged = await world.judgement(1, sunsets)
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(2))
    assert await asyncio.to_thread(world.problems) == []


async def test_recording_twice_replaces_once(world):
    """A listing that is processed again after a crash ends as it did."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    for _ in range(2):
        await world.accept(two, 2, 2)
    await world.accept(one, 1)
    assert await world.kept() == [digest_of(2)]
    assert await asyncio.to_thread(world.problems) == []


async def together(world, *contents):
    """Records all of them in one transaction: findings with their names, and how listings end."""
    entries = [
        Entry(one, f"{place}.jpg" if isinstance(one, Finding) else "")
        for place, one in enumerate(contents)
    ]
    return (await world.database.run(Recording(entries, [], world.seen))).ends


async def test_a_better_copy_that_was_judged_before_replaces_nothing(world):
    """What was said of it stands; another one that comes with it takes the place."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    off = Judgement(Verdict.OFF_PROFILE, "said before", Evidence())
    better = world.finding(two, 2, 2)
    await world.recorder.record(replace(better, judgement=off))
    assert await together(world, better, world.finding(three, 3, 4)) == (End.NOT_KEPT, End.KEPT)
    assert await world.kept() == [digest_of(3)]
    assert (await world.judgement(1)).duplicate_of == digest_of(3)
    assert (await world.judgement(2)).verdict is Verdict.OFF_PROFILE


async def test_what_stays_is_kept_by_others_although_a_copy_judged_before_is_better(world):
    """That copy comes in the same transaction, and is not accepted here."""
    sunsets = ProfileVersion("sunsets", 1)
    await world.begin("c2", sunsets)
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    off = Judgement(Verdict.OFF_PROFILE, "said before", Evidence())
    better = world.finding(two, 2, 2)
    await world.recorder.record(replace(better, judgement=off))
    same = world.finding(three, 1, crawl_id="c2", profile=sunsets)
    assert await together(world, better, same) == (End.NOT_KEPT, End.KEPT)
    assert await world.kept() == [digest_of(1)] * 2
    assert (await world.judgement(1, sunsets)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_is_replaced_while_its_listing_ends_counts_as_replaced(world, is_first):
    """Another crawl had read that it is accepted: in the same transaction as the better copy, or in a later one."""
    await world.begin("c2")
    one, two = await world.lease(2)
    await world.accept(one, 1)
    finding = world.finding(one, 1)
    ending = Ending("c2", finding.leased, Settlement(finding.outcome, Verdict.ACCEPTED, known=True))
    better = world.finding(two, 2, 2)
    if is_first:
        await world.recorder.record(better)
        await world.recorder.settle(ending)
    else:
        await together(world, ending, better)
    assert await world.counts("c2") == {Verdict.REPLACED: 1}
    assert await world.counts() == {Verdict.ACCEPTED: 1, Verdict.REPLACED: 1}
    again = world.finding(one, 1, crawl_id="c2")
    await world.recorder.record(again)
    assert await world.counts("c2") == {Verdict.REPLACED: 1}


async def test_bytes_that_come_again_with_a_better_copy_count_as_replaced(world):
    """They were accepted before, and are let go of in the same transaction."""
    await world.begin("c2")
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await together(world, world.finding(two, 2, 2), world.finding(one, 1, crawl_id="c2"))
    assert await world.kept() == [digest_of(2)]
    assert await world.counts("c2") == {Verdict.REPLACED: 1}


async def test_files_that_the_store_does_not_remove_are_owed(world, monkeypatch):
    """The row says so: the next accept removes them, or the next start; a check tells of them if nobody does."""
    listed = await world.lease(4)
    await world.accept(listed[0], 1)
    await world.accept(listed[1], 11, picture=2)

    def away(*_):
        raise StoreAway("/data", "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "remove", away)
        await world.accept(listed[2], 2, 2)
        await world.accept(listed[3], 12, 2, picture=2)
    assert len(await world.kept()) == 2
    assert world.store.has(digest_of(1))
    kinds = {kind for kind, _ in await asyncio.to_thread(world.problems)}
    assert kinds == {"REPLACEMENT_UNFINISHED"}
    assert await asyncio.to_thread(lambda: world.problems(grace_s=3600.0)) == []
    again = Recorder(world.database, world.store, world.seen)
    await again.remove_replaced()
    assert not world.store.has(digest_of(1))
    assert await world.database.run(replacements.list_unremoved) == []
    assert await asyncio.to_thread(world.problems) == []


async def test_a_start_knows_what_was_replaced(world, tmp_path):
    """Read from the catalogue, beside the file of fingerprints: copies of it are duplicates still."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1, bits=8)
    await world.accept(two, 2, 2)
    keeping = SeenKeeping(world.database, tmp_path / "cache")
    world.seen = await keeping.load()
    world.recorder = Recorder(world.database, world.store, world.seen)
    await world.accept(three, 3, bits=12)
    judged = await world.judgement(3)
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(1))
    await keeping.close()


async def test_a_purge_takes_what_it_had_replaced_along(world):
    """All of it is the same picture: hashes and addresses stay, and nothing else."""
    listed = await world.lease(4)
    for number, size in enumerate((1, 2, 4)):
        await world.accept(listed[number], number, size, bits=number)

    def purge(connection):
        [image] = purges.select_images(connection, PurgeSelection((digest_of(2),)))
        return purges.purge(connection, image, reason="by hand", now=9.0)

    files = await world.database.run(purge)
    assert {digest for digest, _ in files} == {digest_of(number) for number in range(3)}
    gone = [digest_of(number) for number in range(3)]
    assert await world.database.run(lambda c: purges.find_purged(c, gone)) == set(gone)
    assert await world.database.run(lambda c: replacements.find_replaced(c, gone)) == set()
    assert await world.kept() == []


@pytest.mark.parametrize("seed", range(2))
async def test_racing_copies_leave_one_of_each_picture(world, seed):
    """In whatever order they come: one is kept, none of the others has twice its pixels, and everything is well."""
    await race([world], seed)


async def test_racing_crawlers_leave_one_of_each_picture(postgres, tmp_path):
    """Four of them, with memories of their own, decide in one order."""
    with postgres.database() as url:
        team = [Copies(tmp_path, url, alone=False) for _ in range(4)]
        await team[0].begin()
        await race(team, 7)
        for crawler in team:
            await crawler.close()


async def race(team, seed):
    """Each copy is accepted by one of the crawlers, all of them at the same time."""
    dice = random.Random(seed)
    sizes = [dice.choice((1, 2, 3, 4, 8)) for _ in range(PICTURES * COPIES)]
    leased = await team[0].lease(len(sizes))
    await asyncio.gather(
        *(
            dice.choice(team).accept(
                listing, number, sizes[number], bits=dice.randrange(4), picture=number % PICTURES
            )
            for number, listing in enumerate(leased)
        )
    )
    numbers = {digest_of(number): number for number in range(len(sizes))}
    kept = [numbers[digest] for digest in await team[0].kept()]
    assert sorted(number % PICTURES for number in kept) == list(range(PICTURES))
    for number in kept:
        others = sizes[number % PICTURES :: PICTURES]
        assert max(others) < 2 * sizes[number]
    counts = await team[0].counts()
    assert counts[Verdict.ACCEPTED] == PICTURES
    assert sum(counts.values()) == len(sizes)
    assert len(team[0].names()) == PICTURES
    found = await asyncio.to_thread(team[0].problems)
    # Two crawlers may both have written the bytes of copies of which one was kept.
    assert {kind for kind, _ in found} <= ({"ORPHAN"} if len(team) > 1 else set())


async def distinguish(world, one, other):
    """A person says that two images are no duplicates; what was rejected for that is to be judged again."""

    def work(connection):
        pair = digest_of(one), digest_of(other)
        distinct_pairs.add_pair(connection, *pair, now=5.0)
        for digest, against in (pair, pair[::-1]):
            for rejected in releases.find_rejected(connection, digest, against):
                releases.release(connection, rejected)
                frontier.release_all(connection)
                refetches.refetch(
                    connection, "again", rejected.profile, rejected.listing_ids, now=5.0
                )

    await world.database.run(work)


async def test_what_a_person_calls_distinct_is_kept_both(world):
    """The rejected one is judged again: nothing is missing meanwhile, and both are well in the end."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, bits=3)
    assert (await world.judgement(2)).verdict is Verdict.DUPLICATE
    await distinguish(world, 1, 2)
    assert await asyncio.to_thread(world.problems) == []
    [leased] = await world.lease(9, "again")
    assert leased.listing_id == two.listing_id
    await world.accept(leased, 2, bits=3, crawl_id="again")
    assert await world.kept() == [digest_of(1), digest_of(2)]
    assert await asyncio.to_thread(world.problems) == []
    with pytest.raises(PairNeeded, match="purge one of them"):
        await world.database.run(
            lambda c: distinct_pairs.remove_pair(c, digest_of(1), digest_of(2))
        )


async def test_a_replaced_image_is_kept_again_if_it_is_distinct(world):
    """Beside what had replaced it; it counts as replaced no more."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=3)
    await distinguish(world, 1, 2)
    assert await asyncio.to_thread(world.problems) == []
    [leased] = await world.lease(9, "again")
    await world.accept(leased, 1, crawl_id="again")
    assert await world.kept() == [digest_of(2), digest_of(1)]
    assert world.store.has(digest_of(1))
    assert (await world.judgement(1)).verdict is Verdict.ACCEPTED
    assert (
        await world.database.run(lambda c: replacements.find_replaced(c, [digest_of(1)])) == set()
    )
    assert await asyncio.to_thread(world.problems) == []
    # Near both of two that are apart: it takes the place of neither.
    await world.accept(three, 3, 8, bits=1)
    assert (await world.judgement(3)).verdict is Verdict.DUPLICATE
    assert await asyncio.to_thread(world.problems) == []


async def test_what_is_kept_again_hides_nothing_from_a_start(world, tmp_path):
    """The file of fingerprints has it at its first place: what was accepted since then is read all the same."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    terms = ArchiveTerms(batch=1)
    keeping = SeenKeeping(world.database, tmp_path / "cache", terms)
    await keeping.load()
    await keeping.close()
    await world.accept(two, 2, 2, bits=3)
    await world.accept(three, 3, picture=2)
    await distinguish(world, 1, 2)
    [leased] = await world.lease(9, "again")
    await world.accept(leased, 1, crawl_id="again")
    keeping = SeenKeeping(world.database, tmp_path / "cache", terms)
    seen = await keeping.load()
    for picture, digest in ((1, digest_of(1)), (2, digest_of(3))):
        candidate = decoded_candidate(9, fingerprint=random_fingerprint(picture))
        assert seen.find("any", "f" * 64, candidate).digest == digest
    await keeping.close()


async def test_what_is_distinct_is_not_replaced(world):
    """However much better the other one is."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await distinguish(world, 1, 2)
    await world.accept(two, 2, 8, bits=2)
    assert await world.kept() == [digest_of(1), digest_of(2)]
    assert await asyncio.to_thread(world.problems) == []


async def test_a_crawl_that_has_fetched_it_again_must_end_first(world):
    """Else nobody would judge what is released."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, bits=3)

    def refetch(connection):
        frontier.release_all(connection)
        refetches.refetch(connection, "again", PROFILE, [two.listing_id], now=5.0)

    await world.database.run(refetch)
    [leased] = await world.lease(9, "again")
    await world.accept(leased, 2, bits=3, crawl_id="again")
    with pytest.raises(FetchedAgain, match="the crawl again has fetched"):
        await distinguish(world, 1, 2)
    assert (await world.judgement(2)).verdict is Verdict.DUPLICATE
