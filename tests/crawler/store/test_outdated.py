"""What was decided before a person's word, or before another crawler's row, and is written after it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select

from services.crawler.catalogue import distinct_pairs, images, judgements, releases
from services.crawler.catalogue.schema import listings
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.recording import End
from tests.crawler.store.replacing_world import PROFILE, Copies, digest_of
from tests.crawler.subjects import random_fingerprint


@pytest.fixture
async def world(tmp_path, place):
    world = Copies(tmp_path, place)
    await world.begin()
    yield world
    await world.close()


async def say(world, one, other):
    """A person says that two images are no duplicates."""
    add = partial(distinct_pairs.add_pair, one=digest_of(one), other=digest_of(other), now=5.0)
    await world.database.run(add)


def turned_down(finding, number):
    """As the gates say that it is a duplicate of another one."""
    evidence = finding.judgement.evidence
    judgement = Judgement(Verdict.DUPLICATE, "nearly the same", evidence, digest_of(number))
    return replace(finding, judgement=judgement)


async def is_ended(world, leased):
    """Whether a listing has an outcome."""
    query = select(listings.c.outcome_state).where(listings.c.listing_id == leased.listing_id)
    return await world.database.run(lambda c: c.execute(query).scalar_one()) is not None


async def judged(world, number):
    """Whether anything stands of an image."""
    read = partial(judgements.get_judgement, digest=digest_of(number), profile=PROFILE)
    return await world.database.run(read) is not None


@pytest.mark.parametrize("of", [1, 2])
async def test_a_duplicate_of_what_was_called_distinct_meanwhile_is_not_written(world, of):
    """Nor of what that has replaced. Nothing is said of it until it is judged again, and then it is kept."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=1)
    finding = turned_down(world.finding(three, 3, bits=3), of)
    await say(world, 3, 2)
    assert not await world.recorder.record(finding)
    assert not await judged(world, 3)
    assert not await is_ended(world, three)
    assert await world.recorder.record(world.finding(three, 3, bits=3))
    assert await world.kept() == [digest_of(2), digest_of(3)]
    assert await asyncio.to_thread(world.problems) == []


async def test_a_duplicate_of_something_else_is_written(world):
    """A word about one of its copies says nothing of the other; nor does one about what came before that."""
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=1)
    await say(world, 3, 1)
    assert await world.recorder.record(turned_down(world.finding(three, 3, bits=3), 2))
    assert (await world.judgement(3)).duplicate_of == digest_of(2)
    assert await is_ended(world, three)


async def test_what_was_judged_before_stands_whatever_is_said(world):
    """It was said before that word, which had it judged again: nobody else is to overwrite that."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    finding = turned_down(world.finding(two, 2, bits=3), 1)
    assert await world.recorder.record(finding)
    await say(world, 1, 2)
    assert await world.recorder.record(finding)
    assert (await world.judgement(2)).verdict is Verdict.DUPLICATE


async def test_a_word_that_comes_while_an_accept_is_turned_down(world, monkeypatch):
    """Between its look and its row: it looks again, and is kept."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    put = world.recorder._queue.put
    ends = []

    async def late(entry):
        if not ends:
            await say(world, 1, 2)
        ends.append((entry.content.judgement.verdict, await put(entry)))
        return ends[-1][1]

    monkeypatch.setattr(world.recorder._queue, "put", late)
    await world.accept(two, 2, bits=3)
    assert [verdict for verdict, _ in ends] == [Verdict.DUPLICATE, Verdict.ACCEPTED]
    assert await world.kept() == [digest_of(1), digest_of(2)]
    assert await asyncio.to_thread(world.problems) == []


async def released(world, one, other):
    """What was said of an image for another one does not stand any more."""

    def work(connection):
        [rejected] = releases.find_rejected(connection, digest_of(one), digest_of(other))
        releases.release(connection, rejected)

    await world.database.run(work)


async def test_an_accept_looks_again_once_the_files_of_before_are_gone(world, monkeypatch):
    """A word that was taken back meanwhile: no bytes are written of what is a duplicate by then."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=3)
    await say(world, 1, 2)
    await released(world, 1, 2)
    finish_one = world.recorder._removal.finish_one

    async def slow(digest):
        await finish_one(digest)
        undo = partial(distinct_pairs.remove_pair, one=digest_of(1), other=digest_of(2))
        assert await world.database.run(undo)

    monkeypatch.setattr(world.recorder._removal, "finish_one", slow)
    await world.accept(one, 1)
    judged = await world.judgement(1)
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(2))
    assert not world.store.has(digest_of(1))
    assert await asyncio.to_thread(world.problems) == []


async def test_bytes_of_what_is_not_kept_after_all_do_not_stay(world, monkeypatch):
    """A picture is marked as seen between its bytes and its row. Where others may keep the same, a check finds them."""
    [one] = await world.lease(1)
    put = world.recorder._queue.put

    async def late(entry):
        assert world.store.has(digest_of(1))
        mark = partial(images.mark_seen, profile_name=PROFILE.name, digest="f" * 64)
        await world.database.run(partial(mark, fingerprint=random_fingerprint(1)))
        return await put(entry)

    monkeypatch.setattr(world.recorder._queue, "put", late)
    await world.accept(one, 1, bits=2)
    assert (await world.judgement(1)).duplicate_of == "f" * 64
    is_shared = world.database.is_shared
    assert world.store.has(digest_of(1)) is is_shared
    kinds = {kind for kind, _ in await asyncio.to_thread(world.problems)}
    assert kinds == ({"ORPHAN"} if is_shared else set())


async def test_bytes_of_what_was_put_off_do_not_stay_when_the_store_goes_away(world, monkeypatch):
    """It is to be written again, and there is no room any more by then: whoever tries again knows of no bytes."""
    [one] = await world.lease(1)
    put_with_sidecar, written = world.store.put_with_sidecar, []

    def full(content, digest, facts):
        if digest in written:
            raise StoreAway("/data", "No space left on device")
        put_with_sidecar(content, digest, facts)
        written.append(digest)

    async def put_off(_entry):
        assert world.store.has(digest_of(1))
        return End.PUT_OFF

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "put_with_sidecar", full)
        patched.setattr(world.recorder._queue, "put", put_off)
        with pytest.raises(StoreAway, match="No space left"):
            # Nobody waits for room for a rejudgement.
            await world.accept(one, 1, crawl_id=None)
    assert written == [digest_of(1)]
    assert world.store.has(digest_of(1)) is world.database.is_shared


async def test_bytes_that_another_profile_keeps_stay(world):
    """Though this one does not keep them after all."""
    sunsets = ProfileVersion("sunsets", 1)
    await world.begin("c2", sunsets)
    one, two = await world.lease(2)
    off = Judgement(Verdict.OFF_PROFILE, "said before", Evidence())
    await world.recorder.record(replace(world.finding(one, 1), judgement=off))
    await world.accept(two, 1, crawl_id="c2", profile=sunsets)
    await world.accept(two, 1)
    assert (await world.judgement(1)).verdict is Verdict.OFF_PROFILE
    assert world.store.has(digest_of(1))
    assert await asyncio.to_thread(world.problems) == []


async def test_bytes_that_were_there_and_are_gone_are_fetched_again(world):
    """What is judged from records has none at hand: it is to be judged again, and nothing is said of it until then."""
    [one] = await world.lease(1)
    finding = world.finding(one, 1)
    without = replace(finding.candidate, encoded=b"")
    assert not await world.recorder.record(replace(finding, candidate=without))
    assert not await judged(world, 1)
    assert not await is_ended(world, one)
    assert await world.recorder.record(finding)
    assert await world.kept() == [digest_of(1)]
