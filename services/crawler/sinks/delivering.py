"""Delivers kept images to all sinks, for as long as the crawler runs."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from functools import partial

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from services.crawler.catalogue import outbox, sink_reports
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.database import Database
from services.crawler.sinks.delivery_limits import DeliveryLimits
from services.crawler.sinks.sink import Sink
from services.crawler.sinks.sink_metrics import SinkMetrics
from services.crawler.sinks.sink_queue import QueueParts, SinkQueue
from services.crawler.store.blob_store import BlobStore
from services.servicekit.errors import LodestoneError


class Delivering:
    """The queues of the sinks that are configured."""

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        sinks: Sequence[Sink],
        registry: CollectorRegistry,
        limits: DeliveryLimits | None = None,
    ) -> None:
        self._database = database
        self._kinds = {sink.name: sink.kind for sink in sinks}
        self._limits = limits or DeliveryLimits()
        self._owner = uuid.uuid4().hex
        metrics = SinkMetrics(registry, self._kinds)
        parts = QueueParts(database, store, metrics, self._limits, self._owner)
        self._queues = {sink.name: SinkQueue(sink, parts) for sink in sinks}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, alone: bool) -> None:
        """Writes which sinks there are and begins; from now on, accepts are owed to them.

        Args:
            alone: Whether no other crawler can have this catalogue: then what a crash left leased is free at once.
        """
        if alone:
            await self._database.run(outbox.release_all)
        await self._database.run(self._register)
        self._tasks = [asyncio.create_task(queue.run()) for queue in self._queues.values()]

    async def retry(self, name: str) -> int:
        """Tries a sink again at once, with all that it refused; returns how many those are.

        Raises:
            NotFound: There is no such sink.
        """
        await self._require(name)
        count = await self._database.run(partial(outbox.retry, sink=name))
        self._wake(name)
        return count

    async def backfill(self, name: str) -> int:
        """Owes a sink all that was kept before it was there; returns how many images are new to it.

        Raises:
            NotFound: There is no such sink.
        """
        await self._require(name)
        total, sequence = 0, -1
        while sequence:
            page = partial(_backfill, sink=name, after_sequence=sequence)
            sequence, count = await self._database.run(page)
            total += count
        self._wake(name)
        return total

    async def close(self) -> None:
        """Lets deliveries under way end, for a moment, and gives back what is left."""
        for queue in self._queues.values():
            queue.end()
        if not self._tasks:
            return
        await asyncio.wait(self._tasks, timeout=self._limits.drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A catalogue that is away, or lost to another crawler, is not waited for: the leases expire.
        with contextlib.suppress(TimeoutError, LodestoneError):
            async with asyncio.timeout(self._limits.drain_s):
                await self._database.run(partial(outbox.release_owner, owner=self._owner))

    def _register(self, connection: Connection) -> None:
        sink_reports.register(connection, self._kinds, now=catalogue_time(connection))

    async def _require(self, name: str) -> None:
        await self._database.run(partial(sink_reports.require, name=name))

    def _wake(self, name: str) -> None:
        if name in self._queues:
            self._queues[name].wake()


def _backfill(connection: Connection, sink: str, after_sequence: int) -> tuple[int, int]:
    now = catalogue_time(connection)
    return outbox.backfill(connection, sink, after_sequence=after_sequence, now=now)
