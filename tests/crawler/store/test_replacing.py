"""A better copy takes the place of a kept image: never both, never neither."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlalchemy import update

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
from services.crawler.catalogue.schema import listings
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.keyed_lock import KeyedLock
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.purging import PurgeRequest, Purging
from services.crawler.store.recorder import Recorder
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
    purging = Purging(world.database, world.store, world.seen, fetcher=None, digests=KeyedLock())
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
