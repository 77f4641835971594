"""Accepts into a real catalogue, on both databases, and their deliveries."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from services.crawler.catalogue import outbox as outboxes
from services.crawler.catalogue.schema import kept_images, outbox
from services.crawler.sinks.folder_sink import FolderSink
from services.servicekit.errors import NotFound
from tests.crawler.sinks.outbox_world import LIMITS, MemorySink, World, failure


@pytest.fixture
async def world(tmp_path, place):
    world = World(tmp_path / "data", place)
    yield world
    await world.close()


async def test_every_sink_gets_every_image_in_order_and_once(world):
    """With its bytes, if it wants them; who accepts waits for none of it."""
    first, second = MemorySink("first"), MemorySink("second", max_bytes=0)
    await world.start(first, second)
    digests = await world.accept(*range(6))
    await world.settled("first")
    await world.settled("second")
    assert first.digests() == second.digests() == digests
    assert first.bytes[digests[3]] == b"bytes of image 3"
    assert second.bytes[digests[3]] == b""
    assert await world.counts("first") == (0, 6, 0)
    assert {row[0] for row in await world.rows("message")} == {f"got {n}" for n in range(1, 7)}


async def test_the_row_is_written_with_the_accept_or_not_at_all(world, monkeypatch):
    """An accept that is rolled back owes nothing; one that is done again owes it once."""
    sink = MemorySink()
    await world.start(sink)

    def broken(*_arguments):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("services.crawler.catalogue.settling.settle", broken)
        with pytest.raises(OSError, match="Input/output"):
            await world.accept(0)
    assert await world.rows("digest") == []
    [digest] = await world.accept(0)
    await world.accept(0)
    await world.settled()
    assert sink.digests() == [digest]


async def test_a_sink_gets_what_is_kept_from_now_on_and_the_rest_if_it_is_asked_for(world):
    """Backfilled in the order of accepting, each once, however often it is asked for."""
    before = await world.accept(0, 1)
    sink = MemorySink()
    delivering = await world.start(sink)
    after = await world.accept(2)
    await world.settled()
    assert sink.digests() == after
    assert [await delivering.backfill("memory") for _ in range(2)] == [2, 0]
    await world.settled()
    assert sink.digests() == after + before


async def test_a_sink_that_is_not_configured_is_owed_nothing_and_keeps_what_is_pending(world):
    """It is shown as such; back again, it gets that, and what it missed by a backfill."""
    sink = MemorySink()
    sink.open.clear()
    delivering = await world.start(sink, limits=replace(LIMITS, drain_s=0.01))
    [pending] = await world.accept(0)
    await world.stop(delivering)
    await world.stop(await world.start())
    [missed] = await world.accept(1)
    report = await world.report()
    assert (report.configured, report.pending_count) == (False, 1)
    sink.open.set()
    delivering = await world.start(sink)
    await world.settled()
    assert sink.digests() == [pending]
    await delivering.backfill("memory")
    await world.settled()
    assert sink.digests() == [pending, missed]


async def test_while_a_receiver_is_away_one_tries_and_the_order_stays(world):
    """What waits is tried again; the report says why and since when, the log has one line and one when it is back."""
    sink = MemorySink(concurrency=3)
    sink.faults.extend([failure("AWAY", "no connection")] * 10_000)
    with capture_logs() as logs:
        await world.start(sink)
        digests = await world.accept(*range(5))
        await world.until(lambda: _is_waiting(world))
        report = await world.report()
        assert report.last_error == "no connection"
        assert report.oldest_time is not None
        assert sink.got == []
        sink.faults.clear()
        await world.settled()
    assert sorted(sink.digests()) == sorted(digests)
    assert sink.digests()[0] == digests[0]
    assert (await world.report()).waiting_for == ""
    assert [one["event"] for one in logs if one.get("sink")] == ["sink_waits", "sink_back"]


async def _is_waiting(world):
    return (await world.report()).waiting_for == "no connection"


async def test_an_image_that_a_receiver_breaks_at_holds_up_no_other(world):
    """It waits longer each time, the sink goes on with the next, and it is never given up."""
    sink = MemorySink()
    await world.start(sink)
    sink.open.clear()
    first, *others = await world.accept(*range(4))
    sink.faults_of[first].extend([failure("BROKEN", "HTTP 500")] * 1_000)
    sink.open.set()

    async def is_alone():
        # Tried more often than a receiver may say no.
        return sink.digests() == others and len(sink.faults_of[first]) < 1_000 - LIMITS.rejections

    await world.until(is_alone)
    assert await world.counts() == (1, 3, 0)
    sink.faults_of.clear()
    await world.settled()
    assert sink.digests() == [*others, first]


async def test_an_image_that_is_rejected_is_given_up_and_may_be_tried_again(world):
    """After three times here; the reason is kept, the others are delivered."""
    sink = MemorySink()
    sink.open.clear()
    delivering = await world.start(sink)
    digests = await world.accept(0, 1)
    sink.faults_of[digests[0]].extend([failure("REJECTED", "HTTP 400: no")] * 4)
    sink.open.set()
    await world.settled()
    assert sink.digests() == [digests[1]]
    assert await world.counts() == (0, 1, 1)
    assert (await world.report()).last_error == "HTTP 400: no"
    assert len(sink.faults_of[digests[0]]) == 1
    sink.faults_of.clear()
    assert await delivering.retry("memory") == 1
    await world.settled()
    assert sink.digests() == [digests[1], digests[0]]


async def test_what_can_never_succeed_is_given_up_at_once(world):
    """A refusal; bytes that are lost, and bytes that are not those of the digest."""
    sink = MemorySink()
    sink.open.clear()
    await world.start(sink)
    digests = await world.accept(*range(3))
    sink.faults_of[digests[0]].append(failure("REFUSED", "WEBP"))
    sink.open.set()
    await world.settled()
    world.store.path(digests[1]).unlink()
    world.store.path(digests[2]).write_bytes(b"damaged")
    late = MemorySink("late")
    delivering = await world.start(sink, late)
    await delivering.backfill("late")
    await world.settled("late")
    assert await world.counts() == (0, 2, 1)
    assert await world.counts("late") == (0, 1, 2)
    messages = {row[0] for row in await world.rows("message")}
    assert {"its stored bytes are lost", "its stored bytes are damaged", "WEBP"} <= messages


async def test_a_sink_that_asks_never_to_be_told_again_stops(world):
    """Until a person says otherwise, even over a restart."""
    sink = MemorySink()
    sink.faults.append(failure("GONE", "HTTP 410"))
    delivering = await world.start(sink)
    await world.accept(0, 1)

    async def is_stopped():
        return (await world.report()).stopped

    await world.until(is_stopped)
    await world.stop(delivering)
    delivering = await world.start(sink)
    await world.accept(2)
    assert await world.counts() == (3, 0, 0)
    await delivering.retry("memory")
    await world.settled()
    assert len(sink.digests()) == 3


async def test_what_was_delivered_and_not_recorded_is_delivered_again(world):
    """A crash between the two: the lease is free at the next start, and the receiver sees the same image twice."""
    sink = MemorySink()
    await world.start(sink)
    [digest] = await world.accept(0)
    await world.settled()
    await world.stop(world.started[0])

    def as_it_was(connection):
        crashed = {"state": "PENDING", "lease_owner": "dead", "lease_expire_time": 9e9}
        connection.execute(update(outbox).values(crashed))

    await world.database.run(as_it_was)
    other = await world.start(sink, alone=False)
    await other.retry("memory")
    assert await world.counts() == (1, 0, 0)
    await world.stop(other)
    await world.start(sink, alone=True)
    await world.settled()
    assert sink.digests() == [digest, digest]


async def test_a_crawler_that_hangs_loses_its_deliveries(world):
    """Another takes them when the lease is over; the first one's record changes nothing then."""
    slow, quick = MemorySink(), MemorySink()
    slow.open.clear()
    await world.start(slow, limits=replace(LIMITS, lease_s=0.3))
    [digest] = await world.accept(0)
    await world.until(lambda: _has(slow))
    await world.start(quick, alone=False)
    await world.settled()
    assert quick.digests() == [digest]
    slow.open.set()
    while not slow.got:
        await asyncio.sleep(0.005)
    await world.stop(world.started[0])
    assert await world.rows("state", "message", "tries") == [("DELIVERED", "got 1", 2)]


async def _has(sink):
    return sink.waiting == 1


async def test_two_crawlers_share_a_sink_that_takes_one_at_a_time(world):
    """Each image is delivered by one of them, and never two at the same time."""
    shared = MemorySink()
    await world.start(shared)
    await world.start(shared, alone=False)
    digests = await world.accept(*range(12))
    await world.settled()
    assert sorted(shared.digests()) == sorted(digests)
    assert shared.busiest == 1


async def test_a_wide_sink_takes_several_at_a_time(world):
    """As many as it says, and no more."""
    sink = MemorySink(concurrency=3)
    sink.open.clear()
    await world.start(sink)
    await world.accept(*range(8))

    async def is_full():
        return sink.waiting == 3

    sink.open.set()
    await world.settled()
    sink.open.clear()
    await world.accept(*range(8, 16))
    await world.until(is_full)
    sink.open.set()
    await world.settled()
    assert sink.busiest == 3


async def test_a_purge_takes_back_what_is_owed_and_tells_who_has_it(world):
    """What nobody was told of is forgotten; what was delivered is followed by the purge."""
    told, untold = MemorySink("told"), MemorySink("untold")
    untold.faults.append(failure("GONE"))
    await world.start(told, untold)
    first, second = await world.accept(0, 1)
    await world.settled("told")

    async def is_stopped():
        return (await world.report("untold")).stopped

    await world.until(is_stopped)
    await world.purge(second)
    await world.settled("told")
    assert told.got == [("accepted", first), ("accepted", second), ("purged", second)]
    assert {row[0] for row in await world.rows("file_name")} == {""}
    rows = await world.rows("sink", "event", "digest", "message")
    assert [row for row in rows if row[:3] == ("untold", "PURGED", second)] == []
    assert ("told", "ACCEPTED", second, "") in rows


async def test_who_has_a_replaced_image_is_told(world):
    """And by what it was replaced. A purge of the better copy is told of both."""
    sink = MemorySink()
    await world.start(sink)
    [old] = await world.accept(0)
    await world.settled()
    [new] = await world.accept(1)
    await world.settled()
    await world.replace(old, new)
    await world.settled()
    assert sink.got == [("accepted", old), ("accepted", new), ("replaced", old)]
    assert sink.replaced_by == {old: new}
    await world.purge(new)
    await world.settled()
    assert set(sink.digests("purged")) == {old, new}


async def test_what_is_kept_again_is_delivered_again(world):
    """After its replacement was told, however often that fails; and what was replaced again is told again."""
    sink = MemorySink()
    await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.settled()
    sink.faults_of[old].extend([failure("REJECTED")] * 2)
    await world.replace(old, new)
    await world.keep_again(old, 0)
    await world.settled()
    assert sink.got[2:] == [("replaced", old), ("accepted", old)]
    [other] = await world.accept(2)
    await world.replace(old, other)
    await world.settled()
    assert sink.got[4:] == [("accepted", other), ("replaced", old)]
    assert sink.replaced_by == {old: other}
    numbers = dict(await world.rows("event", "again_sequence"))
    assert numbers["REPLACED"] > 0
    await world.purge(other)
    await world.settled()
    assert sorted(sink.digests("purged")) == sorted([old, other])


async def test_a_replacement_that_is_on_its_way_when_the_image_is_kept_again(world):
    """It still names the better copy, and is no purge; the image follows when it has arrived."""
    sink = MemorySink(concurrency=4)
    await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.settled()
    sink.open.clear()
    await world.replace(old, new)
    await world.until(lambda: _has(sink))
    await world.keep_again(old, 0)
    for _ in range(20):
        await world.counts()
        await asyncio.sleep(0.005)
    assert sink.waiting == 1
    sink.open.set()
    await world.settled()
    assert sink.got[2:] == [("replaced", old), ("accepted", old)]
    assert sink.replaced_by == {old: new}


async def test_a_replacement_is_told_as_such_after_the_better_copy_was_purged(world):
    """Who reads it learns what it was replaced by; that it was purged comes for itself."""
    sink = MemorySink()
    delivering = await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.settled()
    await world.stop(delivering)
    await world.replace(old, new)
    await world.purge(new)
    await world.start(sink)
    await world.settled()
    assert ("replaced", old) in sink.got
    assert sorted(sink.digests("purged")) == sorted([old, new])


async def test_a_refused_replacement_is_not_told_of_what_is_kept_again(world):
    """Tried again, it would take from the receiver what it has; a backfill finds nothing that is new to it."""
    sink = MemorySink()
    delivering = await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.settled()
    sink.faults_of[old].append(failure("REFUSED"))
    await world.replace(old, new)
    await world.settled()
    assert (await world.counts())[2] == 1
    await world.keep_again(old, 0)
    await world.settled()
    assert await delivering.retry("memory") == 0
    assert await delivering.backfill("memory") == 0
    await world.settled()
    assert sink.got[2:] == [("accepted", old)]


async def test_a_replacement_that_is_refused_after_the_image_was_kept_again(world):
    """It waited until then. Tried again, it would take from the receiver what it has got anew."""
    sink = MemorySink()
    delivering = await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.settled()
    await world.stop(delivering)
    await world.replace(old, new)
    await world.keep_again(old, 0)
    sink.faults_of[old].append(failure("REFUSED"))
    delivering = await world.start(sink)
    await world.settled()
    assert sink.got[2:] == [("accepted", old)]
    assert (await world.counts())[2] == 1
    assert await delivering.retry("memory") == 0
    await world.settled()
    assert sink.got[2:] == [("accepted", old)]
    assert (await world.counts())[2] == 0


async def refuse_replacement(world, sink):
    """A receiver has an image and refuses to hear that it was replaced, which is taken back; returns the digests."""
    delivering = await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.settled()
    sink.faults_of[old].append(failure("REFUSED"))
    await world.replace(old, new)
    await world.settled()
    await world.stop(delivering)
    await world.keep_again(old, 0)
    return old, new


@pytest.mark.parametrize("retried", [False, True])
async def test_a_second_replacement_is_told_after_the_first_was_refused(world, retried):
    """Before the image was delivered again: the receiver has it all the time, and learns once what replaced it."""
    sink = MemorySink()
    old, _ = await refuse_replacement(world, sink)
    if retried:
        await world.database.run(lambda c: outboxes.retry(c, "memory"))
    [other] = await world.accept(2)
    await world.replace(old, other)
    await world.start(sink)
    await world.settled()
    assert sorted(sink.got[2:]) == sorted([("accepted", other), ("replaced", old)])
    assert sink.replaced_by == {old: other}
    assert (await world.counts())[2] == 0


async def test_a_second_replacement_is_told_once_after_the_image_was_delivered_again(world):
    """Under the number of that delivery; the first one, which was refused, stays as it is."""
    sink = MemorySink()
    old, _ = await refuse_replacement(world, sink)
    await world.start(sink)
    await world.settled()
    [other] = await world.accept(2)
    await world.replace(old, other)
    await world.settled()
    assert sink.got[2:] == [("accepted", old), ("accepted", other), ("replaced", old)]
    states = [row for row in await world.rows("event", "state") if row[0] == "REPLACED"]
    assert [state for _, state in states] == ["REFUSED", "DELIVERED"]


async def test_a_second_replacement_is_told_instead_of_one_that_waited(world):
    """The sink was away all the time. By a name that the receiver has it under: not by that of the second time."""
    sink = MemorySink()
    delivering = await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.settled()
    await world.stop(delivering)
    await world.replace(old, new)
    names = await world.rows("event", "file_name")
    await world.keep_again(old, 0)
    [other] = await world.accept(2)

    rename = update(kept_images).where(kept_images.c.digest == old)
    rename = rename.values(file_name="of-another-day.jpg")
    await world.database.run(lambda c: c.execute(rename))
    await world.replace(old, other)
    assert ("REPLACED", "of-another-day.jpg") not in await world.rows("event", "file_name")
    assert names[-1] in await world.rows("event", "file_name")
    await world.start(sink)
    await world.settled()
    assert sorted(sink.got[2:]) == sorted([("accepted", other), ("replaced", old)])
    assert sink.replaced_by == {old: other}


async def test_a_replacement_that_was_told_is_not_told_again(world):
    """The image was kept again and replaced again, before anything was delivered of that."""
    sink = MemorySink()
    delivering = await world.start(sink)
    old, new = await world.accept(0, 1)
    await world.replace(old, new)
    await world.settled()
    await world.stop(delivering)
    got = list(sink.got)
    await world.keep_again(old, 0)
    [other] = await world.accept(2)
    await world.replace(old, other)
    await world.start(sink)
    await world.settled()
    assert sink.got == [*got, ("accepted", other)]


async def test_a_purge_leaves_nothing_of_a_replacement_that_was_refused(world):
    """Neither a name nor what the receiver said; it is told of the purge, with what it had said of the image."""
    sink = MemorySink()
    old, _ = await refuse_replacement(world, sink)
    [other] = await world.accept(2)
    sink.faults_of[old].append(failure("REFUSED"))
    await world.replace(old, other)
    delivering = await world.start(sink)
    await world.settled()
    assert (await world.counts())[2] == 1
    await world.purge(other)
    await world.settled()
    assert sink.notes[old] == "got 1"
    assert sorted(sink.digests("purged")) == sorted([old, other])
    assert await delivering.retry("memory") == 0
    await world.settled()
    assert sink.digests("replaced") == []
    rows = await world.rows("digest", "event", "file_name", "message")
    assert {row[2:] for row in rows if row[0] == old and row[1] != "PURGED"} == {("", "")}


async def test_a_purge_waits_for_the_image_that_is_on_its_way(world):
    """Nobody is told to remove what he is about to get."""
    sink = MemorySink(concurrency=4)
    sink.open.clear()
    await world.start(sink)
    [digest] = await world.accept(0)
    await world.until(lambda: _has(sink))
    await world.purge(digest)
    for _ in range(20):
        await world.counts()
        await asyncio.sleep(0.005)
    assert sink.waiting == 1
    sink.open.set()
    await world.settled()
    assert sink.got == [("accepted", digest), ("purged", digest)]
    assert await world.rows("event", "state") == [
        ("ACCEPTED", "WITHDRAWN"),
        ("PURGED", "DELIVERED"),
    ]


async def test_a_mirror_follows_accepts_and_purges(world, tmp_path):
    """The real folder sink, over the real store: files with readable names, and none of what was purged."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    await world.start(FolderSink("mirror", mirror, world.store.path))
    digests = await world.accept(*range(3))
    await world.settled("mirror")
    kept = sorted(path.name for path in (mirror / "landscapes").iterdir())
    assert [name.rsplit("_", 1)[1] for name in kept] == [f"{one[:8]}.jpg" for one in digests]
    await world.purge(digests[1])
    await world.settled("mirror")
    assert len(list((mirror / "landscapes").iterdir())) == 2
    assert not world.store.has(digests[1])


async def test_an_error_that_nobody_foresaw_ends_no_sink(world):
    """It is logged, and the image tried again."""
    sink = MemorySink()
    sink.faults.append(ZeroDivisionError())
    with capture_logs() as logs:
        await world.start(sink)
        await world.accept(0)
        await world.settled()
    assert "sink_failed" in [one["event"] for one in logs]
    assert await world.counts() == (0, 1, 0)


async def test_deliveries_under_way_end_before_the_crawler_does(world):
    """What takes longer is given back, to be done by the next one."""
    sink = MemorySink()
    sink.open.clear()
    delivering = await world.start(sink, limits=replace(LIMITS, drain_s=0.05))
    await world.accept(0)
    await world.until(lambda: _has(sink))
    await world.stop(delivering)
    assert await world.rows("state", "lease_owner", "tries") == [("PENDING", None, 1)]


async def test_there_is_no_such_sink(world):
    """Neither to be tried again nor to be filled."""
    delivering = await world.start(MemorySink())
    for ask in (delivering.retry, delivering.backfill):
        with pytest.raises(NotFound, match="no sink 'other'"):
            await ask("other")
