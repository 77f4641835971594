"""Puts what comes while a transaction is under way into the next one: a commit costs the same for one as for many."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# More make no difference to what a commit costs each, and hold the next ones up.
_AT_ONCE = 64


class RecordQueue(Generic[Item, Result]):
    """Hands items to `write` in the order in which they came, one call after the other.

    Belongs to one event loop. A call that fails is made again for each item alone, so that none fails for another.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        """Takes what writes items, all or none of them, and returns one result for each."""
        self._write = write
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits or is being written."""
        return self._task is None

    async def put(self, item: Item) -> Result:
        """Returns what writing the item gave. It is written even if the caller is cancelled."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        return await future

    async def join(self) -> None:
        """Waits until everything is written."""
        while self._task is not None:
            await self._task

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), _AT_ONCE)
                await self._write_together([self._waiting.popleft() for _ in range(count)])
        finally:
            self._task = None

    async def _write_together(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._write([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - told to whoever waits for it
            if len(batch) > 1:
                for one in batch:
                    await self._write_together([one])
            else:
                _fail(batch[0][1], error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
