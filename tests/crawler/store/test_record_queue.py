from __future__ import annotations

import asyncio

import pytest

from services.crawler.store.record_queue import RecordQueue


class Writer:
    """Writes numbers when it is let; some cannot be written."""

    def __init__(self):
        self.batches = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, items):
        await self.may.wait()
        self.batches.append(list(items))
        if 13 in items:
            raise ValueError("13")
        return [item * 10 for item in items]


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def queue(writer):
    return RecordQueue(writer)


async def test_what_comes_meanwhile_is_written_together(writer, queue):
    """The first alone, those that come while it is written in one call, in order; each gets its own result."""
    writer.may.clear()
    first = asyncio.create_task(queue.put(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(queue.put(number)) for number in range(2, 6)]
    await asyncio.sleep(0)
    assert not queue.is_idle
    writer.may.set()
    assert [await task for task in (first, *others)] == [10, 20, 30, 40, 50]
    assert writer.batches == [[1], [2, 3, 4, 5]]
    assert queue.is_idle


async def test_one_call_has_a_bound(writer, queue):
    """What is more waits for the next."""
    numbers = range(100, 300)
    assert await asyncio.gather(*map(queue.put, numbers)) == [number * 10 for number in numbers]
    assert max(map(len, writer.batches)) == 64


async def test_one_that_cannot_be_written_fails_alone(writer, queue):
    """Those that came with it are written all the same, once."""
    results = await asyncio.gather(*map(queue.put, (11, 12, 13, 14)), return_exceptions=True)
    assert [results[place] for place in (0, 1, 3)] == [110, 120, 140]
    assert str(results[2]) == "13"
    assert writer.batches == [[11, 12, 13, 14], [11], [12], [13], [14]]


async def test_a_caller_that_leaves_changes_nothing(writer, queue):
    """What was put is written, and nobody waits for its result."""
    writer.may.clear()
    leaving = asyncio.create_task(queue.put(1))
    await asyncio.sleep(0)
    leaving.cancel()
    writer.may.set()
    await queue.join()
    assert writer.batches == [[1]]
    assert leaving.cancelled()
