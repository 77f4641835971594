"""Batches what concurrent calls ask for, so that many items are computed at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Histogram

from services.servicekit.errors import Overloaded, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a batcher works.

    Attributes:
        max_batch: Items per computation at most.
        max_delay_s: How long the first item of a batch waits for others, seconds.
        queue_limit: Items that wait at most, over all calls and streams.
    """

    max_batch: int = 32
    max_delay_s: float = 0.002
    queue_limit: int = 1024


class Batcher(Generic[Item, Result]):
    """One queue in front of one computing thread. Must be made inside a running event loop.

    `compute` gets 1 to `max_batch` items and returns as many results in their order. An item whose caller has gone is
    dropped before it is computed.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        name: str,
        limits: BatchLimits,
        registry: CollectorRegistry,
    ) -> None:
        self._compute = compute
        self._name = name
        self._limits = limits
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Result]]]
        self._queue = asyncio.Queue(limits.queue_limit)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-compute")
        self._sizes = Histogram(
            f"lodestone_{name}_batch_size",
            "Items per computation.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self._waiting: set[asyncio.Future[Result]] = set()
        self._closed = False
        self._task = asyncio.create_task(self._work())

    async def compute_now(self, item: Item) -> Result:
        """Computes one item; for unary calls.

        Raises:
            Overloaded: The queue is full.
            Unavailable: The batcher is closed.
        """
        future = self._new_future()
        try:
            self._queue.put_nowait((item, future))
        except asyncio.QueueFull as error:
            future.cancel()
            raise Overloaded(self._name, self._limits.queue_limit) from error
        return await future

    async def compute_when_room(self, item: Item) -> Result:
        """Computes one item, waiting for room in the queue; for streams, which it slows down.

        Raises:
            Unavailable: The batcher is closed.
        """
        future = self._new_future()
        try:
            await self._queue.put((item, future))
            return await future
        finally:
            future.cancel()

    async def close(self) -> None:
        """Ends the work after the batch that is being computed; what still waits is Unavailable."""
        self._closed = True
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for future in self._waiting:
            if not future.done():
                future.set_exception(self._stopping())
                # Its caller may be on the way out as well; asyncio would log an error that nobody fetched.
                future.exception()
        while not self._queue.empty():
            # Makes room for those who wait for it, who then find their answer.
            self._queue.get_nowait()
            await asyncio.sleep(0)
        await asyncio.to_thread(self._thread.shutdown)

    def _new_future(self) -> asyncio.Future[Result]:
        if self._closed:
            raise self._stopping()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    def _stopping(self) -> Unavailable:
        return Unavailable(self._name, "it is stopping")

    async def _work(self) -> None:
        while True:
            batch = await self._next_batch()
            wanted = [(item, future) for item, future in batch if not future.done()]
            if wanted:
                await self._compute_batch(wanted)

    async def _next_batch(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch = [await self._queue.get()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.max_delay_s):
                while len(batch) < self._limits.max_batch:
                    batch.append(await self._queue.get())
        return batch

    async def _compute_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        self._sizes.observe(len(batch))
        items = [item for item, _ in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._compute, items
            )
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        except Exception as error:  # noqa: BLE001 - every caller of this batch gets it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
