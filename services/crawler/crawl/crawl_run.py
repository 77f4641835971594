"""One crawl while it runs: list, lease, process, until nothing is left or somebody stops it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from services.crawler.catalogue import crawl_sources, crawls, frontier, priorities
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.crawl_sources import LeaseLost
from services.crawler.catalogue.crawls import Crawl, CrawlState
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, LeaseTerms
from services.crawler.crawl.host_claims import HostClaims
from services.crawler.crawl.host_queue import HostQueue
from services.crawler.crawl.lister import EnoughListings, Lister, ListerParts, Resolve, Room
from services.crawler.crawl.listing_turns import ListingTurns
from services.crawler.crawl.pipeline import Pipeline
from services.crawler.crawl.precedence import Precedence
from services.crawler.judgement import Verdict
from services.crawler.sources.source import Source
from services.servicekit.errors import Broken, FailedPrecondition, InvalidInput

_RETRY_MAX_S = 60.0
_SHOWN_PROBLEMS = 5
# How often it is looked whether a source is free that another crawler lists, seconds for each source.
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The bounds of one crawl's work.

    Attributes:
        workers: Listings under way at once.
        max_pending: A lister waits while so many listings are to do that go before its own. Many, so that a host that
            rests is not all.
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


class _CannotJudge(Exception):
    """The profile does not take what is served: the crawl may go on once something else is."""


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What all runs of a crawler have in common.

    Attributes:
        limits: The bounds of each.
        answer: Gets what resolvers ask for.
        claims: The hosts that several crawlers share; None where there is one crawler.
        precedence: What all crawls hold; None where there is one crawl.
    """

    limits: RunLimits
    answer: Resolve
    claims: HostClaims | None = None
    precedence: Precedence | None = None


@dataclass(frozen=True, slots=True)
class RunParts:
    """What a run works with besides its pipeline.

    Attributes:
        database: The catalogue.
        owner: The name under which it holds leases.
        terms: What it has in common with others.
    """

    database: Database
    owner: str
    terms: RunTerms


class CrawlRun:
    """Runs one crawl. `run` returns the state that the crawl ends in; cancelling it gives its listings back."""

    def __init__(self, crawl: Crawl, pipeline: Pipeline, parts: RunParts) -> None:
        self._answer = parts.terms.answer
        self._crawl = crawl
        self._pipeline = pipeline
        self._database = parts.database
        self._owner = parts.owner
        self._claims = parts.terms.claims
        self._in_use: Counter[str] = Counter()
        self._limits = limits = parts.terms.limits
        self._queue = HostQueue(
            crawl.crawl_id,
            pipeline.paces,
            parts.terms.precedence or Precedence(limits.workers),
            patience_s=limits.patience_s,
        )
        self._turns = ListingTurns()
        self._problems: list[str] = []
        self._listing_done = False
        self._log = structlog.get_logger().bind(crawl_id=crawl.crawl_id)

    @property
    def waiting_for(self) -> str:
        """What all that it holds waits for, one sentence; empty if it goes on, or waits for hosts alone."""
        crawl_id = self._queue.waits_for
        return f"waits for crawl {crawl_id}, which has a higher priority" if crawl_id else ""

    def prioritise(self, crawl: Crawl) -> None:
        """Says what priorities its sources have now; its listers know it at once."""
        settings = crawl.request.settings
        self._turns.prioritise(
            {place: settings[uri].priority for place, uri in enumerate(crawl.request.sources)}
        )

    async def run(
        self, sources: Sequence[Source], on_settled: Callable[[], None]
    ) -> tuple[CrawlState, str]:
        """Crawls the sources to their end. Returns the last state and why, one sentence or empty.

        Args:
            sources: Those of the crawl, in its order; each is listed from its cursor on, all at the same time.
            on_settled: Called after each listing, and when a source's state changes.
        """
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._list_sources(sources, on_settled)),
                    group.create_task(self._renew_leases()),
                    group.create_task(self._move_priorities()),
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
            self._queue.close()
            for host in self._in_use.elements():
                self._end_claim(host)
            await self._database.run(self._release)
        return await self._conclusion(len(sources))

    async def _conclusion(self, source_count: int) -> tuple[CrawlState, str]:
        crawl = await self._database.run(lambda c: crawls.get_crawl(c, self._crawl.crawl_id))
        reason = "; ".join(self._problems[:_SHOWN_PROBLEMS])
        if len(self._problems) > _SHOWN_PROBLEMS:
            reason += f"; and {len(self._problems) - _SHOWN_PROBLEMS:,} more sources"
        if crawl.found_count == 0:
            return CrawlState.FAILED, reason or _nothing_found(crawl)
        if self._problems and len(self._problems) == source_count:
            return CrawlState.FAILED, reason
        return CrawlState.COMPLETED, reason

    async def _list_sources(self, sources: Sequence[Source], changed: Callable[[], None]) -> None:
        parts = ListerParts(
            self._database,
            self._crawl.crawl_id,
            self._owner,
            self._limits.lease_s,
            self._answer,
            self._room,
            changed,
            # Each look is a transaction of its own.
            look_s=max(self._limits.poll_s, _LOOK_S * len(sources)),
            turns=self._turns,
        )
        places = await self._database.run(
            lambda c: crawl_sources.list_sources(c, self._crawl.crawl_id)
        )
        self._turns.prioritise({place.position: place.settings.priority for place in places})
        try:
            async with asyncio.TaskGroup() as group:
                for source, place in zip(sources, places, strict=True):
                    group.create_task(self._list(Lister(source, place, parts)))
        except* EnoughListings:
            pass
        self._listing_done = True

    async def _list(self, lister: Lister) -> None:
        while True:
            try:
                problem = await lister.run()
            except LeaseLost as lost:
                # It slept too long. It takes the source again when the other crawler lets go of it.
                self._log.warning("lease_lost", cause=str(lost))
                continue
            if problem:
                self._problems.append(problem)
            return

    async def _room(self, position: int) -> Room:
        """What the source at a position may add; takes a moment if that is nothing, as the frontier is a table."""
        crawl_id, limit = self._crawl.crawl_id, self._crawl.request.limits.max_listings

        def work(connection: Connection) -> Room:
            ahead = priorities.count_ahead(connection, crawl_id, position)
            found = crawls.get_crawl(connection, crawl_id).found_count if limit else 0
            return Room(
                ahead >= self._limits.max_pending,
                max(0, limit - found) if limit else None,
                priorities.get_priority(connection, crawl_id, position),
            )

        room = await self._database.run(work)
        if room.is_full:
            await asyncio.sleep(self._limits.poll_s)
        return room

    def _release(self, connection: Connection) -> None:
        frontier.release_owner(connection, self._owner)
        crawl_sources.release_owner(connection, self._owner)

    async def _lease_until_done(self) -> None:
        while True:
            listing_done = self._listing_done
            await self._queue.wait_for_room(self._limits.max_held)
            leased = await self._lease()
            for listing in leased:
                self._begin_use(listing.asked_host)
                self._queue.put(listing)
            if leased:
                continue
            if listing_done and await self._unsettled() == 0:
                return
            await asyncio.sleep(self._limits.poll_s)

    async def _lease(self) -> list[LeasedListing]:
        crawl_id, crowded = self._crawl.crawl_id, self._queue.crowded_hosts
        limit = max(self._limits.workers, self._limits.max_held // 4)
        if self._claims is not None:
            lease_s = self._limits.lease_s
            return await self._claims.lease(
                crawl_id, self._owner, lease_s=lease_s, limit=limit, but_hosts=crowded
            )
        return await self._database.run(
            lambda c: frontier.lease(c, crawl_id, self._terms(c), limit=limit, but_hosts=crowded)
        )

    def _begin_use(self, host: str) -> None:
        self._in_use[host] += 1
        if self._claims is not None:
            self._claims.begin_use(host)

    def _end_use(self, host: str) -> None:
        self._in_use[host] -= 1
        self._end_claim(host)

    def _end_claim(self, host: str) -> None:
        if self._claims is not None:
            self._claims.end_use(host)

    async def _process(self, on_settled: Callable[[], None]) -> None:
        while True:
            leased = await self._queue.get()
            try:
                await self._pipeline.process(leased)
            except FailedPrecondition as error:
                raise _CannotJudge(str(error)) from error
            except (InvalidInput, Broken):
                raise
            except Exception as error:  # noqa: BLE001 - an infrastructure failure is never a verdict: try again
                await self._give_back(leased, error)
            finally:
                self._queue.done(leased)
                self._end_use(leased.asked_host)
            on_settled()
            await self._check_limits()

    async def _give_back(self, leased: LeasedListing, error: Exception) -> None:
        delay_s = min(_RETRY_MAX_S, 2.0**leased.attempts)
        self._log.error("listing_retried", url=leased.listing.url, delay_s=delay_s, exc_info=error)

        def work(connection: Connection) -> None:
            again = catalogue_time(connection) + delay_s
            frontier.release(
                connection, leased.listing_id, self._owner, next_attempt_time=again, tried=True
            )

        await self._database.run(work)

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
            await self._database.run(self._renew)

    async def _move_priorities(self) -> None:
        """Ends changes that broke off, or that came while a source was listed.

        By itself: of a million listings it takes longer than a lease lasts.
        """
        while True:
            await priorities.move_all(self._database, self._crawl.crawl_id)
            await asyncio.sleep(self._limits.lease_s / 3)

    def _renew(self, connection: Connection) -> None:
        terms = self._terms(connection)
        frontier.renew(connection, terms)
        crawl_sources.renew(connection, terms)

    async def _unsettled(self) -> int:
        crawl_id = self._crawl.crawl_id
        return await self._database.run(lambda c: frontier.count_unsettled(c, crawl_id))

    def _terms(self, connection: Connection) -> LeaseTerms:
        return LeaseTerms(self._owner, catalogue_time(connection), self._limits.lease_s)


def _nothing_found(crawl: Crawl) -> str:
    posts = sum(sum(source.post_counts.values()) for source in crawl.sources)
    if not posts:
        return "the sources list no images"
    return f"the sources have posts ({posts:,}), and none of them became a listing"


def _ended_by(group: ExceptionGroup[Exception]) -> tuple[CrawlState, str]:
    for error in _leaves(group):
        if isinstance(error, _LimitReached):
            return CrawlState.COMPLETED, str(error)
        if isinstance(error, _CannotJudge):
            return CrawlState.PAUSED, str(error)
        if isinstance(error, (FailedPrecondition, InvalidInput)):
            return CrawlState.FAILED, str(error)
    raise group


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    """The errors themselves: those of listers come in a group of their own."""
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
