from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from services.servicekit.batcher import Batcher, BatchLimits
from services.servicekit.errors import Overloaded, Unavailable


class Squares:
    """Computes squares; can be held, and notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.started = threading.Event()

    def __call__(self, items):
        self.started.set()
        self.free.wait()
        self.batches.append(list(items))
        if -1 in items:
            message = "no square of -1 here"
            raise ArithmeticError(message)
        if -2 in items:
            return []
        return [item * item for item in items]

    async def wait_started(self) -> None:
        await asyncio.to_thread(self.started.wait)


@asynccontextmanager
async def batching(compute, **limits) -> AsyncIterator[Batcher[int, int]]:
    batcher: Batcher[int, int] = Batcher(
        compute,
        name="squares",
        limits=BatchLimits(**{"max_delay_s": 0.005, **limits}),
        registry=CollectorRegistry(),
    )
    try:
        async with asyncio.timeout(20):
            yield batcher
    finally:
        if isinstance(compute, Squares):
            compute.free.set()
        await batcher.close()


async def settle() -> None:
    """Lets everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(12))
async def test_every_answer_belongs_to_its_item(seed):
    """Whatever is cancelled meanwhile, in whichever batch, and whichever way the item came in."""
    chance = random.Random(seed)
    compute = Squares()
    async with batching(compute, max_batch=chance.randint(1, 9), queue_limit=400) as batcher:

        async def ask(item: int) -> int:
            for _ in range(chance.randint(0, 5)):
                await asyncio.sleep(0)
            way = chance.choice([batcher.compute_now, batcher.compute_when_room])
            return await way(item)

        calls = {item: asyncio.create_task(ask(item)) for item in range(200)}
        cancelled = chance.sample(sorted(calls), 60)
        for item in cancelled:
            await asyncio.sleep(0)
            calls[item].cancel()
        await asyncio.gather(*calls.values(), return_exceptions=True)

    assert all(len(batch) <= 9 for batch in compute.batches)
    for item, call in calls.items():
        if call.cancelled():
            assert item in cancelled
        else:
            assert call.result() == item * item


async def test_concurrent_items_are_computed_together():
    """While one batch is computed the next one fills up, to the limit and no further."""
    compute = Squares()
    async with batching(compute, max_batch=4) as batcher:
        compute.free.clear()
        first = asyncio.create_task(batcher.compute_now(0))
        await compute.wait_started()
        rest = [asyncio.create_task(batcher.compute_now(item)) for item in range(1, 9)]
        await settle()
        compute.free.set()

        assert await asyncio.gather(first, *rest) == [item * item for item in range(9)]
    assert compute.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8]]


async def test_the_sizes_of_the_batches_are_counted():
    """The histogram tells how well batching works."""
    registry = CollectorRegistry()
    batcher: Batcher[int, int] = Batcher(
        Squares(), name="squares", limits=BatchLimits(max_batch=8), registry=registry
    )
    await asyncio.gather(*(batcher.compute_now(item) for item in range(16)))
    await batcher.close()

    assert registry.get_sample_value("lodestone_squares_batch_size_sum") == 16
    assert registry.get_sample_value("lodestone_squares_batch_size_count") == 2


async def test_items_of_callers_that_have_gone_are_not_computed():
    """A deadline that passed in the queue costs no inference."""
    compute = Squares()
    async with batching(compute) as batcher:
        compute.free.clear()
        first = asyncio.create_task(batcher.compute_now(0))
        await compute.wait_started()
        gone = [asyncio.create_task(batcher.compute_now(item)) for item in (1, 2)]
        stays = asyncio.create_task(batcher.compute_now(3))
        await settle()
        for call in gone:
            call.cancel()
        compute.free.set()

        assert await asyncio.gather(first, stays) == [0, 9]
    assert compute.batches == [[0], [3]]


async def test_a_full_queue_refuses_at_once_or_makes_wait():
    """Unary calls are turned away with the numbers; streams wait and are answered."""
    compute = Squares()
    async with batching(compute, max_batch=1, queue_limit=2) as batcher:
        compute.free.clear()
        computing = asyncio.create_task(batcher.compute_now(0))
        await compute.wait_started()
        # The next batch has left the queue, which holds two.
        queued = []
        for item in (1, 2, 3):
            queued.append(asyncio.create_task(batcher.compute_now(item)))
            await settle()

        with pytest.raises(Overloaded, match=r"squares queue is full \(2 items\)"):
            await batcher.compute_now(4)
        waits = asyncio.create_task(batcher.compute_when_room(5))
        await settle()
        assert not waits.done()
        compute.free.set()

        assert await asyncio.gather(computing, *queued, waits) == [0, 1, 4, 9, 25]


@pytest.mark.parametrize(("poison", "error"), [(-1, ArithmeticError), (-2, ValueError)])
async def test_an_error_reaches_every_caller_of_the_batch_and_no_other(poison, error):
    """Whether computing fails or gives too few results; the next batch is computed as ever."""
    compute = Squares()
    async with batching(compute, max_batch=3) as batcher:
        calls = [asyncio.create_task(batcher.compute_now(item)) for item in (1, poison, 2, 5)]
        results = await asyncio.gather(*calls, return_exceptions=True)

        assert [type(result) for result in results] == [error, error, error, int]
        assert await batcher.compute_now(7) == 49


async def test_close_answers_everyone_who_still_waits():
    """In the batch being computed, in the one being gathered, in the queue, and before the queue."""
    compute = Squares()
    async with batching(compute, max_batch=1, queue_limit=2) as batcher:
        compute.free.clear()
        calls = [asyncio.create_task(batcher.compute_now(0))]
        await compute.wait_started()
        calls += [asyncio.create_task(batcher.compute_when_room(item)) for item in range(1, 8)]
        await settle()
        closing = asyncio.create_task(batcher.close())
        compute.free.set()
        await closing

        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] * 8
        assert str(results[0]) == "squares is unavailable: it is stopping"
        with pytest.raises(Unavailable):
            await batcher.compute_now(9)
        with pytest.raises(Unavailable):
            await batcher.compute_when_room(9)


async def test_close_answers_the_batch_that_is_being_gathered():
    """An item that has left the queue but is not yet computed is not forgotten."""
    async with batching(Squares(), max_delay_s=60.0) as batcher:
        call = asyncio.create_task(batcher.compute_now(3))
        await settle()
        await batcher.close()

        with pytest.raises(Unavailable):
            await call


async def test_close_leaves_no_task_and_no_thread():
    """And can be asked twice."""
    before = asyncio.all_tasks()
    async with batching(Squares()) as batcher:
        assert await batcher.compute_now(3) == 9
        await batcher.close()

    assert asyncio.all_tasks() == before
    assert not [thread for thread in threading.enumerate() if "squares" in thread.name]
