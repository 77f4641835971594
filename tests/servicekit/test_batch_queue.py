from __future__ import annotations

import asyncio

import pytest

from services.servicekit.batch_queue import BatchQueue


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def queue(clock) -> BatchQueue[str, int]:
    return BatchQueue(2, clock)


def future() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_items_come_out_in_their_order(queue, clock):
    """With when they came; the oldest wait is told."""
    assert queue.oldest_wait_s == 0.0
    await queue.put("a", future())
    clock.now_s += 1.0
    await queue.put("b", future())
    clock.now_s += 0.5

    assert (len(queue), queue.oldest_wait_s) == (2, 1.5)
    taken = queue.take(5)
    assert [(one.item, one.since_s) for one in taken] == [("a", 100.0), ("b", 101.0)]
    assert len(queue) == 0


async def test_an_item_that_nobody_wants_leaves_at_once(queue):
    """And makes room for the next one that waits for it, and no more than that."""
    gone = future()
    await queue.put("a", gone)
    await queue.put("b", future())
    assert queue.is_full
    waits = [asyncio.create_task(queue.put(item, future())) for item in "cd"]
    await settle()
    assert len(queue) == 2

    gone.cancel()
    await settle()

    assert [task.done() for task in waits] == [True, False]
    assert [one.item for one in queue.take(5)] == ["b", "c"]
    await asyncio.gather(*waits)
    assert [one.item for one in queue.take(5)] == ["d"]
    assert not queue.is_full


async def test_whoever_gives_up_waiting_for_room_takes_none(queue):
    """Neither one that was cancelled while it waited, nor one whose result is not wanted any more."""
    await queue.put("a", future())
    await queue.put("b", future())
    unwanted = future()
    cancelled = asyncio.create_task(queue.put("c", future()))
    pointless = asyncio.create_task(queue.put("d", unwanted))
    await settle()
    cancelled.cancel()
    unwanted.cancel()
    queue.take(2)
    await asyncio.gather(cancelled, pointless, return_exceptions=True)

    assert len(queue) == 0
    await queue.put("e", future())
    await queue.put("f", future())
    assert [one.item for one in queue.take(5)] == ["e", "f"]


async def test_waiting_for_so_many(queue):
    """Until they are there, or the time is over."""
    enough = asyncio.create_task(queue.wait_until(2))
    await queue.put("a", future())
    await settle()
    assert not enough.done()
    await queue.put("b", future())
    await enough
    await queue.wait_until(3, 0.0)
