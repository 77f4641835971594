"""Room for what all streams of a service work on: so many items, and so many bytes of them."""

from __future__ import annotations

import asyncio


class StreamRoom:
    """Places that streams wait for in turn; whoever has waited longest is next, however large its item is.

    An item of more bytes than there are in all gets a place when nobody else has one.
    """

    def __init__(self, places: int, max_bytes: int) -> None:
        self._places = places
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._held = 0
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()

    async def enter(self, size_bytes: int) -> None:
        """Returns when there is room for an item."""
        async with self._turn:
            while not self._fits(size_bytes):
                self._left.clear()
                await self._left.wait()
            self._held += 1
            self._held_bytes += size_bytes

    def leave(self, size_bytes: int) -> None:
        """Gives the room of an item back."""
        self._held -= 1
        self._held_bytes -= size_bytes
        self._left.set()

    def _fits(self, size_bytes: int) -> bool:
        if self._held >= self._places:
            return False
        return not self._held or self._held_bytes + size_bytes <= self._max_bytes
