"""Judgements that are written when the image was replaced, purged or never kept meanwhile."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text

from services.crawler.catalogue import (
    distinct_pairs,
    imports,
    judgements,
    late_judgements,
    purges,
    replacements,
)
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.image_record import ImageRecord, RecordedJudgement, RecordedListing
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from tests.crawler.store.replacing_world import PROFILE, Copies, digest_of
from tests.crawler.subjects import accepted, decoded_candidate

V2 = ProfileVersion(PROFILE.name, 2)
_WAITS = text(
    "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
)


@pytest.fixture
async def world(tmp_path, place):
    world = Copies(tmp_path, place)
    await world.begin()
    yield world
    await world.close()


async def judge_again(world, *numbers):
    """Accepts images under the second version."""
    judged = {digest_of(number): accepted() for number in numbers}
    record = partial(late_judgements.record_judgements, profile=V2, judged=judged, now=9.0)
    return await world.database.run(record)


async def verdict(world, number, profile=V2):
    found = await world.database.run(
        lambda c: judgements.get_judgement(c, digest_of(number), profile)
    )
    return found and (found[1].verdict, found[1].duplicate_of)


async def test_what_is_kept_is_accepted(world):
    """And what another name keeps, or nobody, is not."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    sunsets = ProfileVersion("sunsets", 1)
    await world.begin("c2", sunsets)
    await world.accept(two, 2, picture=2, crawl_id="c2", profile=sunsets)
    off = Judgement(Verdict.OFF_PROFILE, "not liked", Evidence())
    await world.recorder.record(replace(world.finding(three, 3, picture=3), judgement=off))
    assert list(await judge_again(world, 1, 2, 3, 4)) == [digest_of(1)]
    found = [await verdict(world, number) for number in (1, 2, 3, 4)]
    assert found == [(Verdict.ACCEPTED, ""), None, None, None]
    assert await asyncio.to_thread(world.problems) == []


async def test_what_was_replaced_is_a_duplicate_of_its_successor(world):
    """As it would be had it come after that."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, 2)
    standing = await judge_again(world, 1, 2)
    assert {digest: one.verdict for digest, one in standing.items()} == {
        digest_of(1): Verdict.DUPLICATE,
        digest_of(2): Verdict.ACCEPTED,
    }
    assert await verdict(world, 1) == (Verdict.DUPLICATE, digest_of(2))
    assert await asyncio.to_thread(world.problems) == []


async def test_what_was_purged_stays_away(world):
    """Its candidate is gone, and comes back through no judgement."""
    [one] = await world.lease(1)
    await world.accept(one, 1)

    def purge(connection):
        [image] = purges.select_images(connection, PurgeSelection((digest_of(1),)))
        purges.purge(connection, image, reason="by hand", now=9.0)

    await world.database.run(purge)
    assert await judge_again(world, 1) == {}
    assert await verdict(world, 1) is None


async def test_an_import_accepts_nothing_that_was_replaced(world):
    """What else was said of an image elsewhere is added once it is kept here: another copy may have come since."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, 2)
    origin = RecordedListing(Listing("urls:/a", "http://h/0.jpg"), "", None)
    versions = [ProfileVersion(PROFILE.name, number) for number in (2, 3)]
    off = Judgement(Verdict.OFF_PROFILE, "not liked", Evidence())
    said = (
        RecordedJudgement(versions[0], accepted(), 4.0),
        RecordedJudgement(versions[1], off, 4.0),
    )
    for number in (1, 2):
        record = ImageRecord(
            digest_of(number), 9, decoded_candidate(number), Evidence(), origin, 4.0, None, said, ()
        )
        await world.database.run(partial(imports.add_judgements, record=record))
    found = [await verdict(world, number, version) for number in (1, 2) for version in versions]
    assert found == [
        (Verdict.DUPLICATE, digest_of(2)),
        (Verdict.OFF_PROFILE, ""),
        (Verdict.ACCEPTED, ""),
        (Verdict.OFF_PROFILE, ""),
    ]
    assert await asyncio.to_thread(world.problems) == []


async def test_a_replacement_that_is_not_committed_is_waited_for(postgres, tmp_path, monkeypatch):
    """By another crawler: which of the two is first, no acceptance is left without an image."""
    with postgres.database() as url:
        one, other, looking = team = [Copies(tmp_path, url, alone=False) for _ in range(3)]
        await one.begin()
        first, better = await one.lease(2)
        await one.accept(first, 1)
        is_replaced, may_commit = threading.Event(), threading.Event()
        real = replacements.replace

        def held(connection, replacement, *, now):
            files = real(connection, replacement, now=now)
            is_replaced.set()
            assert may_commit.wait(60)
            return files

        monkeypatch.setattr(replacements, "replace", held)
        accepting = asyncio.create_task(one.accept(better, 2, 2))
        assert await asyncio.to_thread(is_replaced.wait, 60)
        judging = asyncio.create_task(judge_again(other, 1))
        while not judging.done():
            if await looking.database.run(lambda c: c.execute(_WAITS).scalar_one()):
                break
        may_commit.set()
        await asyncio.gather(accepting, judging)
        assert await verdict(one, 1) == (Verdict.DUPLICATE, digest_of(2))
        assert await asyncio.to_thread(one.problems) == []
        for crawler in team:
            await crawler.close()


async def test_what_was_called_distinct_meanwhile_is_no_duplicate(world):
    """A rejudgement had decided before: nothing is written, and another one judges it."""
    listed = await world.lease(3)
    await world.accept(listed[0], 1)
    for number in (2, 3):
        await world.accept(listed[number - 1], number, bits=number)
    copy = Judgement(Verdict.DUPLICATE, "nearly the same", accepted().evidence, digest_of(1))
    judged = {digest_of(number): copy for number in (2, 3)}
    say = partial(distinct_pairs.add_pair, one=digest_of(1), other=digest_of(2), now=5.0)
    await world.database.run(say)
    record = partial(late_judgements.record_judgements, profile=V2, judged=judged, now=9.0)
    assert list(await world.database.run(record)) == [digest_of(3)]
    assert await verdict(world, 2) is None
    assert await verdict(world, 3) == (Verdict.DUPLICATE, digest_of(1))
