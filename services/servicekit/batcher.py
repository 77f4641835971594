"""Batches what concurrent calls ask for, so that many items are computed at once."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry

from services.servicekit.batch_metrics import BatchMetrics
from services.servicekit.batch_queue import BatchQueue, Waiting
from services.servicekit.errors import (
    BatcherEnded,
    ComputationStuck,
    Overloaded,
    ResultsMissing,
    Unavailable,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

# How much the newest batch counts in the mean seconds of an item.
_SMOOTHING = 0.2
_UNKNOWN_RETRY_S = 1.0
# Full batches that wait for a thread, so that it never waits for the event loop.
_AHEAD = 1


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a batcher works.

    Attributes:
        max_batch: Items per computation at most.
        max_delay_s: How long the first item of a batch waits for others while a computation could begin, seconds.
        queue_limit: Items that wait at most, over all calls and streams.
        stuck_s: A computation that takes longer is taken for one that hangs, seconds.
        fresh_s: So long after a computation succeeded nothing more is computed to see whether one does, seconds.
        instances: Batches that are computed at once.
    """

    max_batch: int = 32
    max_delay_s: float = 0.002
    queue_limit: int = 1024
    stuck_s: float = 4.0
    fresh_s: float = 4.0
    instances: int = 1


class Batcher(Generic[Item, Result]):
    """One queue in front of a computing thread for each instance. Must be made inside a running event loop.

    `compute` gets 1 to `max_batch` items and returns as many results in their order; it is called from as many threads
    at once as there are instances. An item whose caller has gone leaves the queue and is not computed. While all
    threads compute, the next batch fills up; a full one is handed over before any is done, so that no thread waits for
    the event loop.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        name: str,
        limits: BatchLimits,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._compute = compute
        self._name = name
        self._limits = limits
        self._clock = clock
        self._queue: BatchQueue[Item, Result] = BatchQueue(limits.queue_limit, clock)
        self._threads = ThreadPoolExecutor(limits.instances, thread_name_prefix=f"{name}-compute")
        self._metrics = BatchMetrics(name, registry)
        self._metrics.watch_depth(lambda: len(self._queue))
        self._unanswered: set[asyncio.Future[Result]] = set()
        self._computing: set[asyncio.Task[None]] = set()
        # When each thread that computes began to.
        self._begun_s: dict[int, float] = {}
        # What is noted of computations, by several threads.
        self._noting = threading.Lock()
        self._succeeded_s: float | None = None
        self._failed_s = -math.inf
        # Of the largest batch that failed, until one as large succeeds.
        self._failed_size = 0
        self._seconds_per_item: float | None = None
        self._closed = False
        self._task = asyncio.create_task(self._work())

    async def compute_now(self, item: Item) -> Result:
        """Computes one item; for unary calls.

        Raises:
            Overloaded: The queue is full.
            Unavailable: The batcher is closed.
        """
        future = self._new_future()
        if self._queue.is_full:
            future.cancel()
            raise Overloaded(self._name, self._limits.queue_limit, self.retry_after_s())
        return await self._computed(item, future)

    async def compute_when_room(self, item: Item) -> Result:
        """Computes one item, waiting for room in the queue; for streams, which it slows down.

        Raises:
            Unavailable: The batcher is closed.
        """
        return await self._computed(item, self._new_future())

    async def check(self, item: Item) -> None:
        """Returns if a computation has just succeeded, or does now; the item is computed before all that wait.

        After a batch that failed it is as many times this item: what fails may be the size of it, or one of its items.

        Raises:
            ComputationStuck: One has been at work for too long.
            Exception: What computing raises.
        """
        if self._closed:
            raise self._stopping()
        if self._task.done():
            raise BatcherEnded(self._name)
        now_s = self._clock()
        takes_s = now_s - min(self._begun_s.copy().values(), default=now_s)
        if takes_s > self._limits.stuck_s:
            raise ComputationStuck(f"{self._name}'s computation", takes_s)
        is_fresh = (
            self._succeeded_s is not None and now_s - self._succeeded_s < self._limits.fresh_s
        )
        if is_fresh and not self._failed_size:
            return
        create = asyncio.get_running_loop().create_future
        await self._run([Waiting(item, create(), now_s) for _ in range(max(1, self._failed_size))])

    def retry_after_s(self, waiting: int = 0) -> float:
        """How long it will take to compute all that wait, by the pace so far: when a caller may try again.

        Args:
            waiting: Items that are on their way here, with those that have come.
        """
        if self._seconds_per_item is None:
            return _UNKNOWN_RETRY_S
        return self._seconds_per_item * max(len(self._queue), waiting, 1)

    async def close(self) -> None:
        """Ends the work; all that is not answered yet is Unavailable. Waits for the batches that are being computed."""
        self._closed = True
        self._task.cancel()
        for future in list(self._unanswered):
            if not future.done():
                future.set_exception(self._stopping())
                # Its caller may be on the way out as well; asyncio would log an error that nobody fetched.
                future.exception()
        await asyncio.gather(self._task, *self._computing, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)

    def _new_future(self) -> asyncio.Future[Result]:
        if self._closed:
            raise self._stopping()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._unanswered.add(future)
        future.add_done_callback(self._unanswered.discard)
        return future

    async def _computed(self, item: Item, future: asyncio.Future[Result]) -> Result:
        try:
            await self._queue.put(item, future)
            return await future
        finally:
            future.cancel()

    def _stopping(self) -> Unavailable:
        return Unavailable(self._name, "it is stopping")

    async def _work(self) -> None:
        while True:
            for batch in await self._next_batches():
                task = asyncio.create_task(self._compute_batch(batch))
                self._computing.add(task)
                task.add_done_callback(self._computing.discard)

    async def _next_batches(self) -> list[list[Waiting[Item, Result]]]:
        """What waits, once that is a full batch, or the first has waited long enough and a thread is free.

        It is shared among the threads that are free.
        """
        limits = self._limits
        while True:
            await self._queue.wait_until(1)
            free = limits.instances - len(self._computing)
            if free <= -_AHEAD:
                await asyncio.wait(self._computing, return_when=asyncio.FIRST_COMPLETED)
                continue
            left_s = limits.max_delay_s - self._queue.oldest_wait_s
            is_full = len(self._queue) >= limits.max_batch
            if free > 0 and (is_full or left_s <= 0):
                share = min(math.ceil(len(self._queue) / free), limits.max_batch)
                return [batch for _ in range(free) if (batch := self._queue.take(share))]
            if is_full:
                return [self._queue.take(limits.max_batch)]
            if free <= 0:
                await self._full_or_computed()
            else:
                await self._queue.wait_until(limits.max_batch, left_s)

    async def _full_or_computed(self) -> None:
        full = asyncio.create_task(self._queue.wait_until(self._limits.max_batch))
        try:
            await asyncio.wait({full, *self._computing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            full.cancel()

    async def _compute_batch(self, batch: Sequence[Waiting[Item, Result]]) -> None:
        try:
            await self._run(batch)
        except Exception as error:  # noqa: BLE001 - every caller of this batch gets it
            for one in batch:
                if not one.future.done():
                    one.future.set_exception(error)

    async def _run(self, batch: Sequence[Waiting[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        computed = await loop.run_in_executor(self._threads, self._timed, batch)
        if computed is None:
            return
        for one, result in zip(computed.batch, computed.results, strict=True):
            self._metrics.waited(computed.begun_s - one.since_s)
            if not one.future.done():
                one.future.set_result(result)
        self._metrics.computed(len(computed.batch), computed.seconds)
        each = computed.seconds / len(computed.batch) / self._limits.instances
        before = each if self._seconds_per_item is None else self._seconds_per_item
        self._seconds_per_item = before + _SMOOTHING * (each - before)

    def _timed(self, batch: Sequence[Waiting[Item, Result]]) -> _Computed[Item, Result] | None:
        """In a thread: computes those that are still wanted, and notes meanwhile since when."""
        wanted = [one for one in batch if not one.future.done()]
        if not wanted:
            return None
        begun_s = self._begun_s[threading.get_ident()] = self._clock()
        try:
            results = self._compute([one.item for one in wanted])
            if len(results) != len(wanted):
                raise ResultsMissing(self._name, len(wanted), len(results))  # noqa: TRY301 - it failed
        except Exception as error:
            self._note_failure(0 if isinstance(error, Unavailable) else len(wanted))
            raise
        finally:
            del self._begun_s[threading.get_ident()]
        self._note_success(len(wanted), begun_s)
        return _Computed(wanted, results, begun_s, self._clock() - begun_s)

    def _note_failure(self, size: int) -> None:
        with self._noting:
            # What succeeded before, or is under way in another thread, says nothing any more.
            self._succeeded_s, self._failed_s = None, self._clock()
            self._failed_size = max(self._failed_size, size)

    def _note_success(self, size: int, begun_s: float) -> None:
        with self._noting:
            if begun_s < self._failed_s:
                return
            self._succeeded_s = self._clock()
            if size >= self._failed_size:
                self._failed_size = 0


@dataclass(frozen=True, slots=True)
class _Computed(Generic[Item, Result]):
    batch: Sequence[Waiting[Item, Result]]
    results: Sequence[Result]
    begun_s: float
    seconds: float
