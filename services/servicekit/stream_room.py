"""Room for what all streams of a service work on: so many items, and so many bytes of them."""

from __future__ import annotations

import asyncio

from services.servicekit.errors import Unavailable

# For one byte that is worked on.
_MAY_WAIT = 2


class StreamRoom:
    """Places that streams wait for in turn; whoever has waited longest is next, however large its item is.

    An item of more bytes than there are in all gets a place when nobody else has one. Twice as many bytes may wait.
    """

    def __init__(self, places: int, max_bytes: int) -> None:
        self._places = places
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._held = 0
        self._waiting_bytes = 0
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()

    async def enter(self, size_bytes: int) -> None:
        """Returns when there is room for an item.

        Raises:
            Unavailable: There is none, and items of too many bytes wait already: each is read before its size is known.
        """
        most_bytes = _MAY_WAIT * self._max_bytes
        if self._waiting_bytes and self._waiting_bytes + size_bytes > most_bytes:
            cause = f"{self._waiting_bytes:,} bytes of them wait already"
            raise Unavailable("room for what streams send", cause)
        self._waiting_bytes += size_bytes
        try:
            await self._enter(size_bytes)
        finally:
            self._waiting_bytes -= size_bytes

    async def _enter(self, size_bytes: int) -> None:
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
