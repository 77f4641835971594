"""One sink's deliveries: leased from the outbox, tried, and written down."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue import (
    judgements,
    kept_images,
    outbox,
    sink_reports,
)
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.catalogue.outbox import Due, Event, Failure
from services.crawler.judgement import Judgement
from services.crawler.sinks.delivery_limits import DeliveryLimits
from services.crawler.sinks.sink import Delivery, DeliveryFailed, FailureKind, Removal, Sink
from services.crawler.sinks.sink_log import SinkLog
from services.crawler.sinks.sink_metrics import DeliveryResult, SinkMetrics
from services.crawler.store.blob_store import BlobDamaged, BlobStore, BlobTooLarge, StoreAway
from services.servicekit.errors import NotFound

_PAUSES = frozenset({FailureKind.AWAY, FailureKind.BROKEN})


@dataclass(frozen=True)
class QueueParts:
    """What the queues of all sinks share.

    Attributes:
        owner: Who holds their leases.
    """

    database: Database
    store: BlobStore
    metrics: SinkMetrics
    limits: DeliveryLimits
    owner: str


class SinkQueue:
    """Delivers for as long as `run` runs; belongs to one event loop."""

    def __init__(self, sink: Sink, parts: QueueParts) -> None:
        self._sink = sink
        self._parts = parts
        self._changed = asyncio.Event()
        self._log = SinkLog(sink.name, every_s=parts.limits.log_every_s)
        self._failures = 0
        self._pause_end_s = 0.0
        self._waits_for = ""
        self._counted_s = -math.inf
        self._ending = False
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Ends a pause: somebody thinks that it is worth another try."""
        self._pause_end_s = 0.0
        self._changed.set()

    def end(self) -> None:
        """Begins no further deliveries."""
        self._ending = True
        self._changed.set()

    async def run(self) -> None:
        """Delivers what is due, until `end`; then lets what is under way end."""
        try:
            while not self._ending:
                self._changed.clear()
                try:
                    await self._begin_some()
                    await self._count()
                except Exception as error:  # noqa: BLE001 - a defect in one sink must not end the others
                    self._log.broken(error)
                await self._wait()
            await asyncio.gather(*self._running)
        finally:
            for task in self._running:
                task.cancel()

    async def _begin_some(self) -> None:
        # While it is away, one tries for all.
        limit = 1 if self._failures else self._sink.concurrency
        if len(self._running) >= limit or time.monotonic() < self._pause_end_s:
            return
        for due in await self._parts.database.run(partial(self._lease, limit=limit)):
            task = asyncio.create_task(self._attempt(due))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._changed.set()
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._log.broken(error)

    async def _wait(self) -> None:
        """Until something ends, somebody wakes it, or it is time to look again."""
        left_s = self._pause_end_s - time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(left_s, self._parts.limits.poll_s)):
                await self._changed.wait()

    def _lease(self, connection: Connection, limit: int) -> list[Due]:
        now, lease_s = catalogue_time(connection), self._parts.limits.lease_s
        terms = LeaseTerms(self._parts.owner, now, lease_s)
        return outbox.lease(connection, self._sink.name, terms, limit=limit)

    async def _attempt(self, due: Due) -> None:
        try:
            note = await self._deliver(due)
        except DeliveryFailed as failure:
            await self._note_failure(due, failure)
        except StoreAway as away:
            await self._note_failure(due, DeliveryFailed(FailureKind.AWAY, str(away)))
        except NotFound:
            gone = DeliveryFailed(FailureKind.REFUSED, "the image is not kept any more")
            await self._note_failure(due, gone)
        except Exception as error:  # noqa: BLE001 - it may be this image alone
            self._log.broken(error)
            message = f"an unexpected {type(error).__name__}; the log has more"
            await self._note_failure(due, DeliveryFailed(FailureKind.BROKEN, message))
        else:
            await self._note_delivered(due, note)

    async def _deliver(self, due: Due) -> str:
        if due.event is not Event.ACCEPTED:
            return await self._sink.remove(_removal(due))
        image, decoded, judgement = await self._parts.database.run(partial(_facts, due=due))
        encoded = await self._read(due.digest) if self._sink.max_bytes else b""
        return await self._sink.deliver(
            Delivery(image, decoded, judgement, encoded, due.again_sequence)
        )

    async def _read(self, digest: str) -> bytes:
        try:
            encoded = await asyncio.to_thread(
                self._parts.store.read, digest, max_bytes=self._sink.max_bytes
            )
        except BlobTooLarge as error:
            raise DeliveryFailed(FailureKind.REFUSED, str(error)) from error
        except BlobDamaged as error:
            raise DeliveryFailed(FailureKind.REFUSED, "its stored bytes are damaged") from error
        if not encoded:
            raise DeliveryFailed(FailureKind.REFUSED, "its stored bytes are lost")
        return encoded

    async def _note_delivered(self, due: Due, note: str) -> None:
        was_away = bool(self._waits_for)
        self._go_on()

        def work(connection: Connection) -> None:
            owner, now = self._parts.owner, catalogue_time(connection)
            outbox.record_delivered(connection, due.delivery_id, owner, note=note, now=now)
            if was_away:
                sink_reports.note_waiting(connection, self._sink.name, "")

        await self._parts.database.run(work)
        if was_away:
            self._log.back()
        self._parts.metrics.tried(self._sink.name, DeliveryResult.DELIVERED)

    async def _note_failure(self, due: Due, failure: DeliveryFailed) -> None:
        what = self._failure_of(due, failure)
        if failure.kind in _PAUSES:
            self._pause(failure)
        elif failure.kind is FailureKind.REJECTED:
            # Whoever says no is there.
            self._go_on()
        waits_for = self._waits_for

        def work(connection: Connection) -> bool:
            now, name = catalogue_time(connection), self._sink.name
            owner = self._parts.owner
            if not outbox.record_failure(connection, due.delivery_id, owner, what, now=now):
                # It was purged meanwhile, or another crawler has it.
                return False
            sink_reports.note_error(connection, name, what.message, now=now)
            sink_reports.note_waiting(connection, name, waits_for)
            if failure.kind is FailureKind.GONE:
                sink_reports.stop(connection, name)
            return True

        if await self._parts.database.run(work):
            self._tell(due, what, failure.kind)

    def _failure_of(self, due: Due, failure: DeliveryFailed) -> Failure:
        limits, wait_s = self._parts.limits, 0.0
        counted = failure.kind is FailureKind.REJECTED
        refused = failure.kind is FailureKind.REFUSED
        if counted:
            count = due.failed_count + 1
            refused = count >= limits.rejections
            wait_s = limits.wait_s(count, first_s=limits.rejected_first_s)
        elif failure.kind is FailureKind.BROKEN:
            wait_s = limits.wait_s(due.tries)
        wait_s = max(wait_s, failure.retry_after_s or 0.0)
        return Failure(str(failure), refused, counted, wait_s)

    def _pause(self, failure: DeliveryFailed) -> None:
        self._failures += 1
        wait_s = max(self._parts.limits.wait_s(self._failures), failure.retry_after_s or 0.0)
        self._pause_end_s = time.monotonic() + wait_s
        self._waits_for = str(failure)

    def _go_on(self) -> None:
        self._failures, self._pause_end_s, self._waits_for = 0, 0.0, ""

    def _tell(self, due: Due, what: Failure, kind: FailureKind) -> None:
        if kind is FailureKind.GONE:
            self._log.stopped(what.message)
        elif what.refused:
            self._log.refused(what.message, due.digest)
        else:
            self._log.failed(what.message)
        result = DeliveryResult.REFUSED if what.refused else DeliveryResult.FAILED
        self._parts.metrics.tried(self._sink.name, result)

    async def _count(self) -> None:
        now_s = time.monotonic()
        if now_s - self._counted_s >= self._parts.limits.count_every_s:
            self._counted_s = now_s
            count = partial(sink_reports.count_pending, name=self._sink.name)
            self._parts.metrics.pending(self._sink.name, await self._parts.database.run(count))


def _removal(due: Due) -> Removal:
    return Removal(
        *(due.digest, due.profile_name, due.file_name, due.message, time.time()),
        due.replaced_by,
        due.again_sequence,
    )


def _facts(connection: Connection, due: Due) -> tuple[KeptImage, DecodedCandidate, Judgement]:
    """What the catalogue knows of a kept image; raises NotFound for one that is not kept any more."""
    for image in kept_images.get_kept(connection, due.digest):
        if image.profile.name == due.profile_name:
            judged = judgements.get_judgement(connection, image.digest, image.profile)
            assert judged is not None, "what is kept was judged in the same transaction"
            return image, *judged
    kind = "kept image"
    raise NotFound(kind, due.digest)
