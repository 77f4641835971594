"""Who of a crawl's listers records next."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, order=True, slots=True)
class _Waiting:
    """A lister that waits; the smallest is next."""

    last: int
    number: int
    position: int = field(compare=False)
    called: asyncio.Future[None] = field(compare=False)


class ListingTurns:
    """One lister at a time has the turn. Of those that wait one of the highest priority is next, of these the first.

    Sources are known by their positions in the crawl; their priorities are 0 until `prioritise` says otherwise, which
    counts for those that wait, too. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._is_taken = False
        self._priorities: dict[int, int] = {}
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()

    def prioritise(self, priorities: Mapping[int, int]) -> None:
        """Says what priorities sources have now, by position."""
        known = self._priorities
        changed = {one for one, priority in priorities.items() if known.get(one, 0) != priority}
        known |= priorities
        if any(one.position in changed for one in self._waiting):
            self._waiting = [
                replace(one, last=-known.get(one.position, 0)) for one in self._waiting
            ]
            heapq.heapify(self._waiting)

    @asynccontextmanager
    async def turn(self, position: int) -> AsyncIterator[None]:
        """Waits for the turn of the source at a position, and holds it."""
        if self._is_taken:
            await self._wait(position)
        self._is_taken = True
        try:
            yield
        finally:
            self._hand_on()

    async def _wait(self, position: int) -> None:
        called = asyncio.get_running_loop().create_future()
        last = -self._priorities.get(position, 0)
        heapq.heappush(self._waiting, _Waiting(last, next(self._numbers), position, called))
        try:
            await called
        except asyncio.CancelledError:
            if not called.cancelled():
                # It was called just then.
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        while self._waiting:
            called = heapq.heappop(self._waiting).called
            if not called.done():
                called.set_result(None)
                return
        self._is_taken = False
