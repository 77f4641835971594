"""The items that wait for a computation, over all calls and streams: bounded, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[Item, Result]):
    """An item that waits.

    Attributes:
        item: What is to be computed.
        future: Where its result goes.
        since_s: When it came, by the queue's clock.
    """

    item: Item
    future: asyncio.Future[Result]
    since_s: float


class BatchQueue(Generic[Item, Result]):
    """A bounded queue that an item leaves at once when nobody wants its result any more."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._room = asyncio.Semaphore(limit)
        self._clock = clock
        # A dict keeps the order, and loses any item at once.
        self._waiting: dict[asyncio.Future[Result], Waiting[Item, Result]] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest_wait_s(self) -> float:
        """How long the oldest item waits, seconds; 0 if none does."""
        now_s = self._clock()
        return next((now_s - one.since_s for one in self._waiting.values()), 0.0)

    @property
    def is_full(self) -> bool:
        """Whether a new item would have to wait for room."""
        return self._room.locked()

    async def put(self, item: Item, future: asyncio.Future[Result]) -> None:
        """Adds an item when there is room; those who wait for room get it in their order."""
        await self._room.acquire()
        if future.done():
            self._room.release()
            return
        self._waiting[future] = Waiting(item, future, self._clock())
        future.add_done_callback(self._leave)
        self._changed.set()

    def take(self, count: int) -> list[Waiting[Item, Result]]:
        """The oldest items, at most so many; they have left the queue."""
        taken = [one for _, one in zip(range(count), self._waiting.values(), strict=False)]
        for one in taken:
            self._leave(one.future)
        return taken

    async def wait_until(self, count: int, timeout_s: float | None = None) -> None:
        """Returns when so many wait, or after the time."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._waiting) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def _leave(self, future: asyncio.Future[Result]) -> None:
        if self._waiting.pop(future, None) is not None:
            self._room.release()
