"""Who of a crawl's listers records next."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ListingTurns:
    """One lister at a time has the turn. Of those that wait one of the highest priority is next, of these the first.

    Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def turn(self, priority: int) -> AsyncIterator[None]:
        """Waits for the turn of a source of this priority, and holds it."""
        if self._is_taken:
            await self._wait(priority)
        self._is_taken = True
        try:
            yield
        finally:
            self._hand_on()

    async def _wait(self, priority: int) -> None:
        called = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-priority, next(self._numbers), called))
        try:
            await called
        except asyncio.CancelledError:
            if not called.cancelled():
                # It was called just then.
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        while self._waiting:
            _, _, called = heapq.heappop(self._waiting)
            if not called.done():
                called.set_result(None)
                return
        self._is_taken = False
