"""Moves what crawls have to do to the priorities that their sources have now, behind whoever changed them."""

from __future__ import annotations

import asyncio

import structlog

from services.crawler.catalogue import priorities
from services.crawler.catalogue.database import Database

_PATIENCE_S = 5.0


class PriorityMoves:
    """The moves under way. Belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moving: set[asyncio.Task[None]] = set()

    async def move(self, crawl_id: str) -> None:
        """Moves what a crawl has to do; returns after some seconds, and goes on by itself, if it is very much."""
        moving = asyncio.create_task(priorities.move_all(self._database, crawl_id))
        self._moving.add(moving)
        moving.add_done_callback(self._end)
        # Hundreds of thousands of listings take longer than a caller waits.
        await asyncio.wait({moving}, timeout=_PATIENCE_S)

    async def close(self) -> None:
        """Breaks them off: whoever works on their crawls goes on with them."""
        moving = list(self._moving)
        for one in moving:
            one.cancel()
        await asyncio.gather(*moving, return_exceptions=True)

    def _end(self, moving: asyncio.Task[None]) -> None:
        self._moving.discard(moving)
        if not moving.cancelled() and (error := moving.exception()) is not None:
            # Whoever works on the crawl goes on with it.
            structlog.get_logger().warning("priorities_not_moved", cause=str(error))
