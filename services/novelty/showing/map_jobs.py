"""Maps at work: one at a time beside the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from services.novelty.mixture import Embeddings, Floats
from services.servicekit.errors import Overloaded


class DrawMap(Protocol):
    """Places embeddings on a plane; see `embedding_map.map_embeddings`."""

    def __call__(self, embeddings: Embeddings, /) -> Floats:
        """Returns (n, 2) places of (n, dimension) embeddings."""


class MapJobs:
    """Draws at most `limit` maps at a time, those that wait for the one thread included. Belongs to one event loop.

    A map that was begun is drawn to its end, though its caller has gone.
    """

    def __init__(self, draw: DrawMap, *, limit: int) -> None:
        self._draw = draw
        self._limit = limit
        self._at_work: set[asyncio.Future[Floats]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="map")

    async def run(self, embeddings: Embeddings) -> Floats:
        """Places (n, dimension) embeddings on a plane: (n, 2).

        Raises:
            Overloaded: Too many maps are at work or waiting.
        """
        if len(self._at_work) >= self._limit:
            raise Overloaded("map", self._limit)
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._thread, self._draw, embeddings)
        self._at_work.add(job)
        job.add_done_callback(self._finished)
        return await asyncio.shield(job)

    async def close(self) -> None:
        """Gives up what waits, and waits for the map that is at work."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _finished(self, job: asyncio.Future[Floats]) -> None:
        self._at_work.discard(job)
        if not job.cancelled():
            job.exception()  # looked at here too, for the caller may have gone
