"""A better copy takes the place of a kept image: never both, never neither."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import update

from services.crawler.catalogue import (
    crawls,
    distinct_pairs,
    frontier,
    image_records,
    late_judgements,
    nearness,
    purges,
    refetches,
    releases,
    replacements,
)
from services.crawler.catalogue.crawls import CrawlState
from services.crawler.catalogue.distinct_pairs import PairNeeded
from services.crawler.catalogue.image_records import ExportChoice, OtherCatalogue, Reach
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.releases import FetchedAgain
from services.crawler.catalogue.replacements import Replacement
from services.crawler.catalogue.schema import candidates, listings
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.keyed_lock import KeyedLock
from services.crawler.rejudging.distinguishing import Distinguishing
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.finding import Finding
from services.crawler.store.purging import PurgeLocks, PurgeRequest, Purging
from services.crawler.store.recorder import Recorder
from services.crawler.store.recording import End, Entry, Recording
from services.crawler.store.seen_keeping import ArchiveTerms, SeenKeeping
from tests.crawler.store.replacing_world import PROFILE, Copies, digest_of
from tests.crawler.subjects import accepted, decoded_candidate, random_fingerprint

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


async def purge_all(world, *, dry_run=False, **named):
    """Purges what is named; returns what was selected."""
    locks = PurgeLocks(KeyedLock(), world.recorder.files)
    purging = Purging(world.database, world.store, world.seen, None, locks)
    request = PurgeRequest(PurgeSelection(**named), dry_run=dry_run, reason="a letter")
    return [image.digest async for image, _ in purging.purge(request)]


async def test_a_purge_of_what_was_replaced_takes_its_better_copies_along(world):
    """The picture is to go, whichever of its versions is named, and however; others of the same host stay."""
    listed = await world.lease(4)
    by_ada = update(listings).where(listings.c.listing_id == listed[0].listing_id)
    await world.database.run(lambda c: c.execute(by_ada.values(author="Ada")))
    for number, size in ((1, 1), (2, 2), (3, 4)):
        await world.accept(listed[number - 1], number, size, bits=number)
    await world.accept(listed[3], 4, picture=2)
    versions = tuple(digest_of(number) for number in (1, 2, 3))
    for named in (
        *({"digests": (digest,)} for digest in versions),
        *({"digests": (digest[:8],)} for digest in versions),
        {"url": "http://h/0.jpg"},
        {"author": "Ada", "host": "h"},
    ):
        assert await purge_all(world, dry_run=True, **named) == [digest_of(3)]
    assert await purge_all(world, author="Ada", url="http://h/1.jpg") == []
    assert await purge_all(world, author="Ada") == [digest_of(3)]
    assert await world.kept() == [digest_of(4)]
    assert await world.database.run(lambda c: purges.find_purged(c, versions)) == set(versions)
    assert [world.store.has(digest) for digest in versions] == [False] * 3
    assert all(world.seen.is_forbidden(digest) for digest in versions)
    assert len(world.names()) == 1
    assert await asyncio.to_thread(world.problems) == []


async def test_a_better_copy_that_comes_before_the_purge_goes_with_it(world):
    """It takes the place between selection and purge; what asks for what is gone leaves it, as it may be there."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    selection = PurgeSelection((digest_of(1),))
    [image] = await world.database.run(lambda c: purges.select_images(c, selection))
    await world.accept(two, 2, 2)

    def purge(connection, **how):
        return purges.purge(connection, image, reason="a letter", now=9.0, **how)

    assert await world.database.run(lambda c: purge(c, follow=False)) == []
    assert await world.kept() == [digest_of(2)]
    files = await world.database.run(purge)
    assert {digest for digest, _ in files} == {digest_of(1), digest_of(2)}
    assert all(len(names) == 1 for _, names in files)
    assert await world.kept() == []
    assert await world.database.run(purge) == [], "another crawler has purged it"


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


async def test_what_another_crawler_replaced_is_known_before_a_copy_is_turned_down(
    postgres, tmp_path
):
    """Its memory has the first copy alone: the last is better than that, and than what replaced it elsewhere."""
    with postgres.database() as url:
        mine, others = team = [Copies(tmp_path, url, alone=False) for _ in range(2)]
        await mine.begin()
        one, two, three = await mine.lease(3)
        await mine.accept(one, 1, 1)
        await others.accept(two, 2, 3, bits=1)
        await mine.accept(three, 3, 8, bits=2)
        assert await mine.kept() == [digest_of(3)]
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


async def distinguish(world, one, other, crawl_id="again"):
    """A person says that two images are no duplicates; what was rejected for that is to be judged again."""

    def work(connection):
        pair = digest_of(one), digest_of(other)
        distinct_pairs.add_pair(connection, *pair, now=5.0)
        for digest, against in (pair, pair[::-1]):
            for rejected in releases.find_rejected(connection, digest, against):
                releases.release(connection, rejected)
                frontier.release_all(connection)
                refetches.refetch(
                    connection, crawl_id, rejected.profile, rejected.listing_ids, now=5.0
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
    assert not world.seen.is_replaced(digest_of(1))
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


async def keep_again(world, number, size=1, *, bits, **changes):
    """The crawl that a person's word started judges an image again."""
    [leased] = await world.lease(9, "again")
    await world.accept(leased, number, size, bits=bits, crawl_id="again", **changes)


async def chain_of_three(world):
    """Each of three is the better copy of the one before."""
    for number, leased in enumerate(await world.lease(3)):
        await world.accept(leased, number, 2**number, bits=number)


async def test_the_middle_of_a_chain_is_kept_again(world):
    """What it had replaced itself says nothing against it, and stands for it again; everything is well."""
    await chain_of_three(world)
    await distinguish(world, 1, 2)
    assert await asyncio.to_thread(world.problems) == []
    await keep_again(world, 1, 2, bits=1)
    assert await world.kept() == [digest_of(2), digest_of(1)]
    assert await asyncio.to_thread(world.problems) == []
    successors = await world.database.run(
        lambda c: replacements.find_successors(c, [digest_of(number) for number in range(3)])
    )
    assert successors == {digest_of(0): digest_of(1)}


async def test_what_was_rejected_for_a_replaced_image_is_kept_by_a_word_about_its_successor(world):
    """What was replaced stands for what came into its place: it need not be named, which is kept nowhere."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1, bits=8)
    await world.accept(two, 2, 2)
    await world.accept(three, 3, bits=12)
    assert (await world.judgement(3)).duplicate_of == digest_of(1)
    await distinguish(world, 3, 2)
    await keep_again(world, 3, bits=12)
    assert await world.kept() == [digest_of(2), digest_of(3)]
    assert await asyncio.to_thread(world.problems) == []


@pytest.mark.parametrize("purged", [1, 2])
async def test_a_purge_leaves_what_was_said_of_a_chain(world, purged):
    """Of what is purged along, too: the other image stays kept, and is well."""
    await chain_of_three(world)
    await distinguish(world, 1, 2)
    await keep_again(world, 1, 2, bits=1)

    def purge(connection):
        [image] = purges.select_images(connection, PurgeSelection((digest_of(purged),)))
        return purges.purge(connection, image, reason="by hand", now=9.0)

    for digest, names in await world.database.run(purge):
        await asyncio.to_thread(world.store.remove, digest, names)
        await world.database.run(partial(purges.record_removed, digest=digest))
    assert await world.kept() == [digest_of(3 - purged)]
    assert await asyncio.to_thread(world.problems) == []


@pytest.mark.parametrize(("said_of", "others"), [(0, ()), (1, (0,)), (2, (0, 1))])
async def test_a_purge_writes_a_word_down_for_what_that_image_had_replaced(world, said_of, others):
    """And not for its successors: another image that is near those is a duplicate of what was purged, as before."""
    await chain_of_three(world)
    [four] = await world.lease(1)
    await distinguish(world, 3, said_of)
    assert await purge_all(world, digests=(digest_of(0),)) == [digest_of(2)]
    pairs = await world.database.run(lambda c: list(distinct_pairs.iterate_pairs(c)))
    said = {frozenset((pair.first_digest, pair.second_digest)) for pair in pairs}
    assert said == {frozenset((digest_of(3), digest_of(one))) for one in (said_of, *others)}
    await world.accept(four, 3, bits=4)
    if said_of == 2:
        assert await world.kept() == [digest_of(3)]
    else:
        assert (await world.judgement(3)).verdict is Verdict.DUPLICATE
        assert await world.kept() == []
    assert await asyncio.to_thread(world.problems) == []


async def test_what_an_older_version_kept_is_kept_again(world):
    """A newer version that does not like it ends nothing of that: the older one judges it again."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    newer = ProfileVersion(PROFILE.name, 2)
    off = Judgement(Verdict.OFF_PROFILE, "not liked any more", accepted().evidence)
    await world.database.run(
        lambda c: late_judgements.record_judgements(c, newer, {digest_of(1): off}, now=4.0)
    )
    await world.accept(two, 2, 2, bits=3)
    await distinguish(world, 1, 2)
    await keep_again(world, 1, bits=0)
    assert await world.kept() == [digest_of(2), digest_of(1)]
    assert (await world.judgement(1, newer)).verdict is Verdict.OFF_PROFILE
    assert await asyncio.to_thread(world.problems) == []


async def test_versions_that_are_not_asked_again_break_nothing(world):
    """Two versions had accepted it; the newest judges it again, and it is replaced once more after that."""
    newer = ProfileVersion(PROFILE.name, 2)
    await world.begin("c2", newer)
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(one, 1, crawl_id="c2", profile=newer)
    await world.accept(two, 2, 2, bits=3)
    assert (await world.judgement(1, newer)).verdict is Verdict.REPLACED
    await distinguish(world, 1, 2)
    await keep_again(world, 1, bits=0, profile=newer)
    assert (await world.judgement(1)).verdict is Verdict.REPLACED
    assert await asyncio.to_thread(world.problems) == []
    # Near the one that is kept again, and not the other.
    await world.accept(three, 3, 4, bits=0, flip=6, profile=newer)
    assert await world.kept() == [digest_of(2), digest_of(3)]
    assert await asyncio.to_thread(world.problems) == []


async def test_what_is_kept_again_counts_as_accepted_and_is_replaced_once(world):
    """By the crawl that had kept it first, and by the one that judged it again: what they count is what is kept."""
    one, two, three, four = await world.lease(4)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=3)
    await world.accept(four, 4, picture=2)
    await distinguish(world, 1, 2)
    assert await world.counts() == {Verdict.ACCEPTED: 2, Verdict.DUPLICATE: 1}
    await keep_again(world, 1, bits=0)
    assert await world.counts() == {Verdict.ACCEPTED: 3}
    assert await world.counts("again") == {Verdict.ACCEPTED: 1}
    # Near the one that is kept again, and not the other.
    await world.accept(three, 3, 4, bits=0, flip=6)
    assert await world.kept() == [digest_of(2), digest_of(4), digest_of(3)]
    assert await world.counts() == {Verdict.ACCEPTED: 3, Verdict.REPLACED: 1}
    assert await world.counts("again") == {Verdict.REPLACED: 1}
    await purge_all(world, digests=(digest_of(3),))
    assert await world.counts() == {Verdict.ACCEPTED: 3, Verdict.REPLACED: 1}
    assert await asyncio.to_thread(world.problems) == []


async def test_a_duplicate_that_is_kept_by_a_word_counts_as_accepted_and_is_replaced_once(world):
    """Else its replacement would be counted in the place of another image."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, bits=3)
    await distinguish(world, 1, 2)
    await keep_again(world, 2, bits=3)
    assert await world.counts() == {Verdict.ACCEPTED: 2}
    await world.accept(three, 3, 2, bits=3, flip=6)
    assert await world.kept() == [digest_of(1), digest_of(3)]
    assert await world.counts() == {Verdict.ACCEPTED: 2, Verdict.REPLACED: 1}
    assert await world.counts("again") == {Verdict.REPLACED: 1}


async def test_what_is_a_duplicate_when_it_is_judged_again_counts_right_once_it_is_kept(world):
    """Each crawl had counted it as something else: as replaced, and as a duplicate of a third one."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=8)
    await world.accept(three, 3, flip=6)
    await distinguish(world, 3, 2)
    await keep_again(world, 3, bits=0, flip=6)
    await distinguish(world, 1, 2)
    await keep_again(world, 1, bits=0)
    assert (await world.judgement(1)).duplicate_of == digest_of(3)
    assert await world.counts() == {Verdict.ACCEPTED: 2, Verdict.DUPLICATE: 1}
    assert await world.counts("again") == {Verdict.ACCEPTED: 1, Verdict.DUPLICATE: 1}
    await world.database.run(lambda c: crawls.set_state(c, "again", CrawlState.COMPLETED))
    await distinguish(world, 1, 3, "once-more")
    [leased] = await world.lease(9, "once-more")
    await world.accept(leased, 1, crawl_id="once-more")
    assert await world.kept() == [digest_of(2), digest_of(3), digest_of(1)]
    assert await world.counts() == {Verdict.ACCEPTED: 3}
    assert await world.counts("again") == {Verdict.ACCEPTED: 2}
    assert await world.counts("once-more") == {Verdict.ACCEPTED: 1}
    assert await asyncio.to_thread(world.problems) == []


async def test_other_versions_count_what_is_kept_again_as_replaced(world):
    """Only the one that judged it again keeps it: nothing of theirs is counted as replaced a second time."""
    newer = ProfileVersion(PROFILE.name, 2)
    await world.begin("c2", newer)
    one, two, three, four = await world.lease(4)
    await world.accept(one, 1)
    await world.accept(one, 1, crawl_id="c2", profile=newer)
    await world.accept(four, 4, picture=2)
    await world.accept(two, 2, 2, bits=3)
    await distinguish(world, 1, 2)
    await keep_again(world, 1, bits=0, profile=newer)
    assert await world.counts() == {Verdict.ACCEPTED: 2, Verdict.REPLACED: 1}
    assert await world.counts("c2") == {Verdict.ACCEPTED: 1}
    await world.accept(three, 3, 4, bits=0, flip=6)
    assert await world.counts() == {Verdict.ACCEPTED: 3, Verdict.REPLACED: 1}
    assert await world.counts("c2") == {Verdict.REPLACED: 1}


async def test_no_listing_ends_by_a_judgement_that_a_word_has_ended(world):
    """It was read as replaced before. Who gives it back reads later what was judged anew."""
    await world.begin("c2")
    one, two = await world.lease(2)
    await world.accept(one, 1)
    finding = world.finding(one, 1)
    await world.accept(two, 2, 2, bits=3)
    await distinguish(world, 1, 2)
    ending = Ending("c2", finding.leased, Settlement(finding.outcome, Verdict.REPLACED, known=True))
    assert not await world.recorder.settle(ending)
    assert await world.counts("c2") == {}
    await keep_again(world, 1, bits=0)
    assert await world.recorder.settle(ending)
    assert await world.counts("c2") == {Verdict.ACCEPTED: 1}


async def test_a_listing_that_ends_by_a_judgement_which_was_made_anew_counts_as_that_says(world):
    """A crawler had read that it is a duplicate, and comes to write that when the image is kept."""
    await world.begin("c2")
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, bits=3)
    finding = world.finding(two, 2)
    await distinguish(world, 1, 2)
    await keep_again(world, 2, bits=3)
    ending = Ending(
        "c2", finding.leased, Settlement(finding.outcome, Verdict.DUPLICATE, known=True)
    )
    await world.recorder.settle(ending)
    assert await world.counts("c2") == {Verdict.ACCEPTED: 1}
    assert await asyncio.to_thread(world.problems) == []


async def test_a_word_is_needed_while_one_of_the_two_stands_for_another(world):
    """They were kept both, and a better copy replaced one since: taken back, what is in its place would be wrong."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await distinguish(world, 1, 2)
    await world.accept(two, 2, bits=4)
    await world.accept(three, 3, 2, bits=4, flip=5)
    assert await world.kept() == [digest_of(1), digest_of(3)]
    undo = partial(distinct_pairs.remove_pair, one=digest_of(1), other=digest_of(2))
    with pytest.raises(PairNeeded, match="were kept both"):
        await world.database.run(undo)
    assert await asyncio.to_thread(world.problems) == []


@pytest.mark.parametrize("gone", [False, True])
async def test_a_word_about_two_that_are_not_near_is_taken_back(world, gone):
    """Both were kept without it, also if one was purged since; it is told as it is said."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, picture=2)
    distinguishing = Distinguishing(world.database, None, world.recorder.remove_files_of)
    assert not (await distinguishing.distinguish(digest_of(1), digest_of(2))).near
    if gone:
        await purge_all(world, digests=(digest_of(1),))
    assert await distinguishing.undo(digest_of(1), digest_of(2))
    assert await asyncio.to_thread(world.problems) == []


async def test_two_images_that_are_near(world):
    """As they are or mirrored, or what they have replaced. Flat ones are not; of unknown ones nobody knows."""
    one, two, three, four = await world.lease(4)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=8)
    await world.accept(three, 3, picture=2)
    await world.accept(four, 4, picture=1_000_001)

    def read(connection, one, other):
        return [
            nearness.find_near(connection, *pair)
            for pair in ((digest_of(one), digest_of(other)), (digest_of(other), digest_of(one)))
        ]

    found = [await world.database.run(partial(read, one=1, other=other)) for other in (2, 3, 4, 5)]
    # The mirror image of the first candidate has the hashes of that picture.
    assert found == [[True] * 2, [False] * 2, [True] * 2, [None] * 2]
    await world.database.run(lambda c: c.execute(update(candidates).values(flat=True)))
    assert await world.database.run(partial(read, one=1, other=2)) == [False] * 2


async def test_a_word_about_what_was_replaced_is_taken_back(world):
    """Nothing came of it yet: the better copy is in its place."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=3)
    await distinguish(world, 1, 2)
    undo = partial(distinct_pairs.remove_pair, one=digest_of(1), other=digest_of(2))
    assert await world.database.run(undo)
    assert await asyncio.to_thread(world.problems) == []


async def test_an_export_goes_on_behind_what_is_kept_again(world):
    """Its last image has another place in the order now; a catalogue that never had it is another one still."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    reach = await world.database.run(lambda c: image_records.read_reach(c, now=4.0))
    await world.accept(two, 2, 2, bits=3)
    await distinguish(world, 1, 2)
    await keep_again(world, 1, bits=0)
    await world.database.run(partial(image_records.require_own, reach=reach))
    choice = ExportChoice(earlier=reach, reach=Reach(99, "", 9e9))
    page = await world.database.run(
        lambda c: image_records.read_records(c, choice, after=0, limit=9)
    )
    assert [record.digest for record in page.records] == [digest_of(2), digest_of(1)]
    with pytest.raises(OtherCatalogue):
        other = replace(reach, digest="f" * 64)
        await world.database.run(partial(image_records.require_own, reach=other))


class SlowRemoval:
    """Holds a store's removals up; `begun` is set when one is under way."""

    def __init__(self, store, monkeypatch):
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self._remove = store.remove
        monkeypatch.setattr(store, "remove", self)

    def __call__(self, *given):
        self.begun.set()
        assert self.may_go_on.wait(20)
        self._remove(*given)


async def kept_again_during(world, other, slow, monkeypatch):
    """A better copy comes to one crawler, which is removing the files of the other image; that is kept again."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    replacing = asyncio.create_task(world.accept(two, 2, 2, bits=3))
    await asyncio.to_thread(slow.begun.wait, 20)
    await distinguish(world, 1, 2)
    [leased] = await other.lease(9, "again")
    looked = asyncio.Event()
    find = replacements.find_unremoved

    def look(*given, **named):
        asyncio_loop.call_soon_threadsafe(looked.set)
        return find(*given, **named)

    asyncio_loop = asyncio.get_running_loop()
    monkeypatch.setattr(replacements, "find_unremoved", look)
    keeping = asyncio.create_task(other.accept(leased, 1, crawl_id="again"))
    await asyncio.wait(
        {keeping, asyncio.create_task(looked.wait())}, return_when=asyncio.FIRST_COMPLETED
    )
    slow.may_go_on.set()
    await asyncio.gather(replacing, keeping)
    assert await world.kept() == [digest_of(2), digest_of(1)]
    assert world.store.has(digest_of(1))
    assert await asyncio.to_thread(world.problems) == []


async def test_what_is_just_being_removed_is_kept_again_afterwards(world, monkeypatch):
    """Its bytes are written once its files of before are gone: nobody removes them any more."""
    slow = SlowRemoval(world.store, monkeypatch)
    await kept_again_during(world, world, slow, monkeypatch)


async def test_what_another_crawler_is_removing_is_kept_again_afterwards(
    postgres, tmp_path, monkeypatch
):
    """Whose memory does not know that it was replaced: the rows say so, and who removes it."""
    with postgres.database() as url:
        team = [Copies(tmp_path, url, alone=False) for _ in range(2)]
        await team[0].begin()
        slow = SlowRemoval(team[0].store, monkeypatch)
        await kept_again_during(*team, slow, monkeypatch)
        for crawler in team:
            await crawler.close()


async def test_a_removal_that_somebody_else_began_is_looked_at_again(world, monkeypatch):
    """Who began it may have died: the next accept takes it up."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    with monkeypatch.context() as others:
        others.setattr(replacements, "begin_removal", lambda *_, **__: None)
        await world.accept(two, 2, 2, bits=3)
    assert len(world.names()) == 2
    await world.accept(three, 3, picture=2)
    assert len(world.names()) == 2
    assert not world.store.has(digest_of(1))
    assert await asyncio.to_thread(world.problems) == []


async def test_a_removal_is_one_crawler_s_for_a_while(world):
    """Who cannot go on gives it back; of a crash, the time does, or a start alone."""
    [one] = await world.lease(1)
    await world.accept(one, 1)
    # Without removing anything.
    replacement = Replacement(digest_of(2), PROFILE.name, (digest_of(1),), "larger")
    await world.database.run(lambda c: replacements.replace(c, replacement, now=9.0))

    async def begins(now):
        begin = partial(replacements.begin_removal, digest=digest_of(1), now=now, duration_s=60.0)
        return await world.database.run(begin)

    async def ends(end, until):
        return await world.database.run(partial(end, digest=digest_of(1), expire_time=until))

    assert [await begins(10.0), await begins(69.0), await begins(71.0)] == [70.0, None, 131.0]
    give_up, record = replacements.give_removal_up, replacements.record_removed
    # Whoever began first has nothing to say any more.
    assert not await ends(give_up, 70.0)
    assert not await ends(record, 70.0)
    assert await begins(72.0) is None
    assert await ends(give_up, 131.0)
    assert await begins(72.0) == 132.0
    await world.database.run(replacements.free_removals)
    assert not await ends(record, 132.0)
    until = await begins(73.0)
    assert await ends(record, until)
    assert await begins(999.0) is None


async def test_a_word_is_taken_when_the_files_of_both_are_gone(world):
    """Before, so that nothing is said in vain, and after, for what one had replaced in between."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=3)
    said = []

    async def remove(digest):
        pairs = await world.database.run(lambda c: list(distinct_pairs.iterate_pairs(c)))
        said.append((digest, len(pairs)))
        await world.recorder.remove_files_of(digest)

    async def fetch(profile, listing_ids, *, release):
        def work(connection):
            release(connection)
            frontier.release_all(connection)
            return refetches.refetch(connection, "again", profile, listing_ids, now=5.0)

        return await world.database.run(work)

    done = await Distinguishing(world.database, fetch, remove).distinguish(
        digest_of(1), digest_of(2)
    )
    assert done.crawl_ids == ("again",)
    digests = digest_of(1), digest_of(2)
    assert said == [(digest, count) for count in (0, 1) for digest in digests]


async def test_a_better_copy_of_what_its_own_batch_accepts(world):
    """There are no rows to tell by yet: it is put off, and takes the place in the next one."""
    one, two = await world.lease(2)
    first, better = world.finding(one, 1), world.finding(two, 2, 2, bits=3)
    batch = [Entry(first, "1.jpg"), Entry(better, "2.jpg")]
    recorded = await world.database.run(Recording(batch, [], world.seen))
    assert recorded.ends == (End.KEPT, End.PUT_OFF)
    await world.recorder.record(better)
    assert await world.kept() == [digest_of(2)]
    assert (await world.judgement(1)).verdict is Verdict.REPLACED
    assert await world.counts() == {Verdict.ACCEPTED: 1, Verdict.REPLACED: 1}
