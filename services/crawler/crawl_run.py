"""One crawl while it runs: list, lease, process, until nothing is left or somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import Crawl, CrawlState, SourceCounts
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, LeaseTerms
from services.crawler.host_queue import HostQueue
from services.crawler.judgement import Verdict
from services.crawler.listing import Listing
from services.crawler.pipeline import Pipeline
from services.crawler.sources.source import Source, SourceFailed
from services.servicekit.errors import FailedPrecondition, InvalidInput

_LISTING_BATCH = 100
_RETRY_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The bounds of one crawl's work.

    Attributes:
        workers: Listings under way at once.
        max_pending: The lister waits while so many listings are to do. Many, so that a host that rests is not all.
        max_held: Listings that are leased ahead of the workers, so that each worker finds a host that may be asked.
        patience_s: A host that rests longer has its listings given back, seconds.
        lease_s: How long a listing is held without renewal, seconds.
        poll_s: How long an idle crawl waits before it looks again, seconds.
    """

    workers: int = 16
    max_pending: int = 20_000
    max_held: int = 256
    patience_s: float = 5.0
    lease_s: float = 60.0
    poll_s: float = 0.5


class _LimitReached(Exception):
    """The crawl has what it was asked for."""


class CrawlRun:
    """Runs one crawl. `run` returns the state that the crawl ends in; cancelling it gives its listings back."""

    def __init__(
        self,
        crawl: Crawl,
        pipeline: Pipeline,
        *,
        database: Database,
        owner: str,
        limits: RunLimits,
    ) -> None:
        self._crawl = crawl
        self._pipeline = pipeline
        self._database = database
        self._owner = owner
        self._limits = limits
        self._queue = HostQueue(pipeline.paces, patience_s=limits.patience_s)
        self._problems: list[str] = []
        self._failed_sources = 0
        self._listing_done = False
        self._log = structlog.get_logger().bind(crawl_id=crawl.crawl_id)

    async def run(
        self, sources: Sequence[Source], on_settled: Callable[[], None]
    ) -> tuple[CrawlState, str]:
        """Crawls the sources to their end. Returns the last state and why, one sentence or empty.

        Args:
            sources: Listed one after the other, from their beginnings: what is known already costs nothing.
            on_settled: Called after each listing.
        """
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._list_sources(sources)),
                    group.create_task(self._renew_leases()),
                    *(
                        group.create_task(self._process(on_settled))
                        for _ in range(self._limits.workers)
                    ),
                ]
                await self._lease_until_done()
                for task in helpers:
                    task.cancel()
        except ExceptionGroup as group:
            return _ended_by(group)
        finally:
            await self._database.run(lambda c: frontier.release_owner(c, self._owner))
        return await self._conclusion(len(sources))

    async def _conclusion(self, source_count: int) -> tuple[CrawlState, str]:
        crawl = await self._database.run(lambda c: crawls.get_crawl(c, self._crawl.crawl_id))
        reason = "; ".join(self._problems)
        if crawl.found_count == 0:
            return CrawlState.FAILED, reason or "the sources list no images"
        if self._failed_sources == source_count:
            return CrawlState.FAILED, reason
        return CrawlState.COMPLETED, reason

    async def _list_sources(self, sources: Sequence[Source]) -> None:
        for source in sources:
            try:
                await self._list(source)
            except SourceFailed as failure:
                self._failed_sources += 1
                self._problems.append(str(failure))
                self._log.warning("source_failed", source=source.uri, cause=str(failure))
        self._listing_done = True
        # Stays for the group to cancel: an ended lister is not the end of the crawl.
        await asyncio.Event().wait()

    async def _list(self, source: Source) -> None:
        batch: list[Listing] = []
        listed_count = 0
        async with contextlib.aclosing(source.list_images()) as found:
            async for listing in found:
                batch.append(listing)
                listed_count += 1
                if len(batch) >= _LISTING_BATCH and not await self._add(batch):
                    return
        await self._add(batch)
        counts = SourceCounts(listed_count, source.skipped_count)
        await self._database.run(
            lambda c: crawls.record_listed(c, self._crawl.crawl_id, source.uri, counts)
        )

    async def _add(self, batch: list[Listing]) -> bool:
        """Adds a batch to the frontier when there is room, and empties it. False when the crawl has enough."""
        crawl_id, limit = self._crawl.crawl_id, self._crawl.request.limits.max_listings
        await self._wait_for_room()
        crawl = await self._database.run(lambda c: crawls.get_crawl(c, crawl_id))
        room = limit - crawl.found_count if limit else len(batch)
        chosen = tuple(batch[:room])
        batch.clear()
        now = time.time()
        await self._database.run(lambda c: frontier.add_listings(c, crawl_id, chosen, now=now))
        return not limit or crawl.found_count + len(chosen) < limit

    async def _wait_for_room(self) -> None:
        while await self._unsettled() >= self._limits.max_pending:  # noqa: ASYNC110 - the frontier is a table
            await asyncio.sleep(self._limits.poll_s)

    async def _lease_until_done(self) -> None:
        while True:
            listing_done = self._listing_done
            await self._queue.wait_for_room(self._limits.max_held)
            leased = await self._lease()
            for listing in leased:
                self._queue.put(listing)
            if leased:
                continue
            if listing_done and await self._unsettled() == 0:
                return
            await asyncio.sleep(self._limits.poll_s)

    async def _lease(self) -> list[LeasedListing]:
        crawl_id, terms, crowded = self._crawl.crawl_id, self._terms(), self._queue.crowded_hosts
        limit = max(self._limits.workers, self._limits.max_held // 4)
        return await self._database.run(
            lambda c: frontier.lease(c, crawl_id, terms, limit=limit, but_hosts=crowded)
        )

    async def _process(self, on_settled: Callable[[], None]) -> None:
        while True:
            leased = await self._queue.get()
            try:
                await self._pipeline.process(leased)
            except (FailedPrecondition, InvalidInput):
                raise
            except Exception as error:  # noqa: BLE001 - an infrastructure failure is never a verdict: try again
                await self._give_back(leased, error)
            finally:
                self._queue.done(leased)
            on_settled()
            await self._check_limits()

    async def _give_back(self, leased: LeasedListing, error: Exception) -> None:
        delay_s = min(_RETRY_MAX_S, 2.0**leased.attempts)
        self._log.error("listing_retried", url=leased.listing.url, delay_s=delay_s, exc_info=error)
        again = time.time() + delay_s
        await self._database.run(
            lambda c: frontier.release(
                c, leased.listing_id, self._owner, next_attempt_time=again, tried=True
            )
        )

    async def _check_limits(self) -> None:
        limit = self._crawl.request.limits.max_accepted
        if limit == 0:
            return
        counts = await self._database.run(lambda c: crawls.list_counts(c, self._crawl.crawl_id))
        accepted = sum(count.count for count in counts if count.verdict is Verdict.ACCEPTED)
        if accepted >= limit:
            message = f"{accepted} accepted images reach the limit of {limit}"
            raise _LimitReached(message)

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self._limits.lease_s / 3)
            await self._database.run(lambda c: frontier.renew(c, self._terms()))

    async def _unsettled(self) -> int:
        crawl_id = self._crawl.crawl_id
        return await self._database.run(lambda c: frontier.count_unsettled(c, crawl_id))

    def _terms(self) -> LeaseTerms:
        return LeaseTerms(self._owner, time.time(), self._limits.lease_s)


def _ended_by(group: ExceptionGroup[Exception]) -> tuple[CrawlState, str]:
    for error in group.exceptions:
        if isinstance(error, _LimitReached):
            return CrawlState.COMPLETED, str(error)
        if isinstance(error, (FailedPrecondition, InvalidInput)):
            return CrawlState.FAILED, str(error)
    raise group
