from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from services.servicekit.batcher import Batcher, BatchLimits
from services.servicekit.errors import (
    BatcherEnded,
    ComputationStuck,
    Overloaded,
    ResultsMissing,
    Unavailable,
)
from tests.servicekit.crowd import Crowd, HeldSquares

# Items whose batch gives too few results or too many.
MISCOUNTED = {
    -2: lambda results: [],
    -3: lambda results: results[:-1],
    -4: lambda results: [*results, 0],
}


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
        results = [item * item for item in items]
        for item in MISCOUNTED.keys() & set(items):
            results = MISCOUNTED[item](results)
        return results

    async def wait_started(self) -> None:
        await asyncio.to_thread(self.started.wait)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Slow(Squares):
    """Takes half a second of the clock for each item."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def __call__(self, items):
        results = super().__call__(items)
        self._clock.now_s += 0.5 * len(items)
        return results


@asynccontextmanager
async def batching(compute, clock=time.monotonic, **limits) -> AsyncIterator[Batcher[int, int]]:
    batcher: Batcher[int, int] = Batcher(
        compute,
        name="squares",
        limits=BatchLimits(**{"max_delay_s": 0.005 if clock is time.monotonic else 0.0, **limits}),
        registry=CollectorRegistry(),
        clock=clock,
    )
    try:
        async with asyncio.timeout(20):
            yield batcher
    finally:
        if isinstance(compute, Squares | HeldSquares):
            compute.free.set()
        await batcher.close()


async def settle() -> None:
    """Lets everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


GONE = (asyncio.CancelledError, TimeoutError, Overloaded)


@pytest.mark.parametrize("is_closed", [False, True], ids=["all are answered", "closed meanwhile"])
@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("seed", range(12))
async def test_every_answer_belongs_to_its_item(seed, instances, is_closed):
    """Whatever is cancelled, too late or refused meanwhile, wherever it waits and whichever way it came in."""
    crowd = Crowd(seed, instances)
    limits = {"max_batch": crowd.max_batch, "queue_limit": crowd.limit, "instances": instances}
    async with batching(crowd.compute, **limits) as batcher:
        await crowd.come(batcher)
        crowd.leave(50)
        await settle()
        assert crowd.left
        going_on = asyncio.create_task(crowd.go_on())
        if is_closed:
            for _ in range(crowd.chance.randint(0, 15)):
                await asyncio.sleep(0.001)
            await batcher.close()
        answers = await asyncio.gather(*crowd.calls.values(), return_exceptions=True)
        await going_on
        await settle()

        for item, answer in zip(crowd.calls, answers, strict=True):
            expected = (*GONE, Unavailable) if is_closed else GONE
            assert isinstance(answer, expected) or answer == item * item
        assert len(crowd.compute.begun) == len(set(crowd.compute.begun))
        assert not crowd.left & set(crowd.compute.begun)
        assert max(len(batch) for batch in crowd.compute.batches) <= crowd.max_batch
        assert not batcher._unanswered
        assert len(batcher._queue) == 0
        if not is_closed:
            await require_room(batcher, crowd.limit)


async def require_room(batcher: Batcher[int, int], limit: int) -> None:
    """At one instant the queue takes as many as its limit says, and not one more."""
    calls = [asyncio.create_task(batcher.compute_now(item)) for item in range(limit + 1)]
    *answers, refused = await asyncio.gather(*calls, return_exceptions=True)
    assert answers == [item * item for item in range(limit)]
    assert isinstance(refused, Overloaded)


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
    assert registry.get_sample_value("lodestone_squares_inference_seconds_count") == 2
    assert registry.get_sample_value("lodestone_squares_queue_wait_seconds_count") == 16
    assert registry.get_sample_value("lodestone_squares_queue_depth") == 0


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


class Meeting(Squares):
    """Two computations at once, each of which waits for the other."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2, timeout=10)

    def __call__(self, items):
        self.both.wait()
        return super().__call__(items)


async def test_instances_compute_at_once_and_share_what_waits():
    """Neither is left without work while the other has two items."""
    compute = Meeting()
    async with batching(compute, max_batch=4, instances=2) as batcher:
        calls = [asyncio.create_task(batcher.compute_now(item)) for item in range(3)]
        assert await asyncio.gather(*calls) == [0, 1, 4]
    assert sorted(compute.batches) == [[0, 1], [2]]


async def test_a_full_batch_is_shared_too():
    """A call of as many images as a batch may have is computed by both."""
    compute = Meeting()
    async with batching(compute, max_batch=4, max_delay_s=60.0, instances=2) as batcher:
        calls = [asyncio.create_task(batcher.compute_now(item)) for item in range(4)]
        assert await asyncio.gather(*calls) == [0, 1, 4, 9]
    assert sorted(compute.batches) == [[0, 1], [2, 3]]


async def test_what_began_before_a_failure_is_no_proof():
    """It may end afterwards, in another thread."""
    clock = Clock()
    begun, ended = threading.Event(), threading.Event()

    def compute(items):
        if 7 in items:
            begun.set()
            ended.wait(20)
        if 9 in items:
            message = "lost"
            raise ArithmeticError(message)
        return [item * item for item in items]

    limits = {"max_batch": 1, "instances": 2, "fresh_s": 60.0}
    async with batching(compute, clock=clock, **limits) as batcher:
        slow = asyncio.create_task(batcher.compute_now(7))
        await asyncio.to_thread(begun.wait)
        clock.now_s += 1.0
        with pytest.raises(ArithmeticError):
            await batcher.compute_now(9)
        ended.set()
        assert await slow == 49
        with pytest.raises(ArithmeticError):
            await batcher.check(9)


async def test_one_instance_that_hangs_is_told():
    """The other goes on, and that is no proof."""
    clock = Clock()
    compute = Squares()
    begun, ended = threading.Event(), threading.Event()

    def hang_at_seven(items):
        if 7 in items:
            begun.set()
            ended.wait(20)
        return compute(items)

    limits = {"max_batch": 1, "instances": 2, "stuck_s": 4.0}
    async with batching(hang_at_seven, clock=clock, **limits) as batcher:
        hanging = asyncio.create_task(batcher.compute_now(7))
        await asyncio.to_thread(begun.wait)
        clock.now_s += 4.5
        assert await batcher.compute_now(2) == 4
        with pytest.raises(ComputationStuck):
            await batcher.check(0)
        ended.set()
        assert await hanging == 49
        await batcher.check(0)


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


@pytest.mark.parametrize("poison", [-1, *MISCOUNTED])
async def test_an_error_reaches_every_caller_of_the_batch_and_no_other(poison):
    """Whether computing fails or gives too few results or too many; the next batch is computed as ever."""
    compute = Squares()
    async with batching(compute, max_batch=3) as batcher:
        calls = [asyncio.create_task(batcher.compute_now(item)) for item in (1, poison, 2, 5)]
        results = await asyncio.gather(*calls, return_exceptions=True)

        error = ArithmeticError if poison == -1 else ResultsMissing
        assert [type(result) for result in results] == [error, error, error, int]
        assert await batcher.compute_now(7) == 49


async def test_a_batch_that_was_handed_over_loses_those_who_have_gone():
    """It waits for the thread; what nobody wants by then is not computed."""
    compute = Squares()
    async with batching(compute, max_batch=2) as batcher:
        compute.free.clear()
        first = asyncio.create_task(batcher.compute_now(0))
        await compute.wait_started()
        gone, stays = (asyncio.create_task(batcher.compute_now(item)) for item in (1, 2))
        await settle()
        gone.cancel()
        await settle()
        compute.free.set()

        assert await asyncio.gather(first, stays) == [0, 4]
    assert compute.batches == [[0], [2]]


async def test_how_long_it_will_take_follows_the_pace():
    """What waits, times what an item has taken; a second before anybody knows."""
    clock = Clock()
    compute = Slow(clock)
    async with batching(compute, max_batch=4, clock=clock) as batcher:
        assert batcher.retry_after_s() == 1.0
        await asyncio.gather(*(batcher.compute_now(item) for item in range(4)))
        assert batcher.retry_after_s() == pytest.approx(0.5)
        compute.free.clear()
        waiting = [asyncio.create_task(batcher.compute_now(item)) for item in range(11)]
        await settle()
        # One batch is computed, one is next, three items wait.
        assert batcher.retry_after_s() == pytest.approx(1.5)
        compute.free.set()
        await asyncio.gather(*waiting)


async def test_what_has_just_succeeded_is_not_computed_again():
    """Under load a check costs nothing; after some time of rest it computes."""
    clock = Clock()
    compute = Squares()
    async with batching(compute, clock=clock, fresh_s=4.0) as batcher:
        await batcher.compute_now(3)
        clock.now_s += 3.9
        await batcher.check(0)
        assert compute.batches == [[3]]
        clock.now_s += 0.2
        await batcher.check(0)
        assert compute.batches == [[3], [0]]


async def test_a_check_does_not_wait_in_the_queue():
    """A full queue is no sign of a network that fails."""
    compute = Squares()
    async with batching(compute, max_batch=1, queue_limit=2, fresh_s=0.0) as batcher:
        compute.free.clear()
        first = asyncio.create_task(batcher.compute_now(5))
        await compute.wait_started()
        waiting = [asyncio.create_task(batcher.compute_when_room(item)) for item in range(1, 5)]
        await settle()
        check = asyncio.create_task(batcher.check(0))
        await settle()
        compute.free.set()
        await check
        await asyncio.gather(first, *waiting)
    assert compute.batches.index([0]) <= 2


async def test_a_computation_that_hangs_is_told():
    """Not before its time; and not any more when it has ended after all."""
    clock = Clock()
    compute = Squares()
    async with batching(compute, clock=clock, stuck_s=4.0, fresh_s=4.0) as batcher:
        compute.free.clear()
        call = asyncio.create_task(batcher.compute_now(3))
        await compute.wait_started()
        clock.now_s += 4.5
        with pytest.raises(
            ComputationStuck, match=r"squares's computation has taken 4\.5 s so far"
        ):
            await batcher.check(0)
        compute.free.set()
        assert await call == 9
        await batcher.check(0)


async def test_after_a_failure_a_check_computes():
    """What succeeded before is no proof."""
    compute = Squares()
    async with batching(compute, fresh_s=60.0) as batcher:
        assert await batcher.compute_now(2) == 4
        with pytest.raises(ArithmeticError):
            await batcher.compute_now(-1)
        with pytest.raises(ArithmeticError):
            await batcher.check(-1)
        await batcher.check(0)
    assert compute.batches == [[2], [-1], [-1], [0]]


class OnlySmall(Squares):
    """Fails at batches of four or more, until it is mended."""

    is_mended = False

    def __call__(self, items):
        results = super().__call__(items)
        if len(items) >= 4 and not self.is_mended:
            message = "no memory for four"
            raise RuntimeError(message)
        return results


async def test_a_check_after_a_failed_batch_has_its_size():
    """Smaller ones that succeed meanwhile are no proof; once one as large succeeds, a check is what it was."""
    compute = OnlySmall()
    async with batching(compute, max_batch=5, fresh_s=60.0) as batcher:
        calls = [batcher.compute_now(item) for item in range(1, 6)]
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in failed] == [RuntimeError] * 5
        for _ in range(2):
            assert await batcher.compute_now(3) == 9
            with pytest.raises(RuntimeError, match="no memory for four"):
                await batcher.check(0)
        compute.is_mended = True
        await batcher.check(0)
        await batcher.check(0)
    assert compute.batches == [[1, 2, 3, 4, 5], [3], [0] * 5, [3], [0] * 5, [0] * 5]


async def test_a_poisonous_item_does_not_make_a_check_fail():
    """A batch of the same size without it succeeds, and then a single item is enough again."""
    clock = Clock()
    compute = Squares()
    async with batching(compute, clock=clock, max_batch=4) as batcher:
        calls = [batcher.compute_now(item) for item in (1, -1, 2, 5)]
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in failed] == [ArithmeticError] * 4
        await batcher.check(0)
        clock.now_s += 60
        await batcher.check(0)
    assert compute.batches == [[1, -1, 2, 5], [0] * 4, [0]]


async def test_something_that_is_away_is_asked_for_no_more_than_one_item():
    """It says nothing about sizes, and is not to get more to do than it must."""
    away = [True]
    batches = []

    def compute(items):
        batches.append(list(items))
        if away[0]:
            raise Unavailable("the other", "gone")
        return list(items)

    async with batching(compute, max_batch=3) as batcher:
        calls = [batcher.compute_now(item) for item in (1, 2, 3)]
        await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(Unavailable):
            await batcher.check(0)
        away[0] = False
        await batcher.check(0)
    assert batches == [[1, 2, 3], [0], [0]]


async def test_a_batcher_that_has_ended_is_told():
    """By a defect of its own: what comes would wait for ever, however well the network computes."""
    async with batching(Squares(), fresh_s=60.0) as batcher:
        assert await batcher.compute_now(3) == 9
        batcher._queue.take = lambda count: 1 // 0
        call = asyncio.create_task(batcher.compute_now(4))
        await asyncio.wait([batcher._task])
        with pytest.raises(BatcherEnded, match="the squares's batcher has ended") as caught:
            await batcher.check(0)
        assert caught.value.name == "squares"
        await batcher.close()
        with pytest.raises(Unavailable):
            await call


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
