"""Crawls: what was asked for, how far it is, and what was settled in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Connection, Row, insert, select, update

from services.crawler.catalogue.crawl_sources import CrawlSource, add_sources, list_sources
from services.crawler.catalogue.frontier import Outcome, listing_of, outcome_of
from services.crawler.catalogue.schema import crawl_counts, crawl_listings, crawls, listings
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.source_settings import SourceSettings
from services.servicekit.errors import NotFound


class CrawlState(StrEnum):
    """What a crawl is doing; the names are those of the contract."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Whether it can never go on."""
        return self not in (CrawlState.RUNNING, CrawlState.PAUSED)


@dataclass(frozen=True, slots=True)
class CrawlLimits:
    """Where a crawl ends by itself.

    Attributes:
        max_listings: Completed after so many; 0 is no limit.
        max_accepted: Completed after so many; 0 is no limit.
    """

    max_listings: int = 0
    max_accepted: int = 0


@dataclass(frozen=True, slots=True)
class CrawlRequest:
    """What a person asks for.

    Attributes:
        request_id: The client's; the same id makes no second crawl.
        sources: URIs, canonical.
        profile: The version that judges.
        limits: Where to stop.
        settings: How sources are listed, by URI; those that are not named here by the defaults.
    """

    request_id: str
    sources: tuple[str, ...]
    profile: ProfileVersion
    limits: CrawlLimits = CrawlLimits()
    settings: Mapping[str, SourceSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Crawl:
    """A crawl as it stands.

    Attributes:
        sources: Where the listing of each source stands, in their order.
    """

    crawl_id: str
    request: CrawlRequest
    state: CrawlState
    state_reason: str
    found_count: int
    last_sequence: int
    create_time: float
    sources: tuple[CrawlSource, ...] = ()

    @property
    def skipped_count(self) -> int:
        """Entries of the sources without an address."""
        return sum(source.skipped_count for source in self.sources)

    @property
    def repeated_count(self) -> int:
        """Entries of the sources whose address the crawl had already."""
        # While a source is listed from its beginning again, fewer are listed than were found.
        return max(0, sum(source.listed_count for source in self.sources) - self.found_count)


@dataclass(frozen=True, slots=True)
class Count:
    """How many settled listings share an outcome and verdict.

    Attributes:
        state: The outcome.
        reason: Why it is not fetched; None when it is.
        verdict: None when it is not fetched. The same bytes again count as DUPLICATE.
        known: Whether the outcome was known before this crawl.
        count: How many.
    """

    state: OutcomeState
    reason: OutcomeReason | None
    verdict: Verdict | None
    known: bool
    count: int


@dataclass(frozen=True, slots=True)
class SettledListing:
    """A listing of a crawl that is done.

    Attributes:
        sequence: Its position in the crawl's order of settling, from 1.
        listing: The listing.
        outcome: What became of fetching it.
        known: Whether the outcome was known before this crawl.
        repeated: Whether another listing had the same bytes before: of this crawl, or the one that they are kept for.
    """

    sequence: int
    listing: Listing
    outcome: Outcome
    known: bool
    repeated: bool


def create_crawl(
    connection: Connection, crawl_id: str, request: CrawlRequest, *, now: float
) -> Crawl:
    """Creates a crawl, or returns the one that the same request_id made before."""
    query = select(crawls.c.crawl_id).where(crawls.c.request_id == request.request_id)
    earlier = connection.execute(query).scalar_one_or_none()
    if earlier is not None:
        return get_crawl(connection, earlier)
    row = {
        "crawl_id": crawl_id,
        "request_id": request.request_id,
        "profile_name": request.profile.name,
        "profile_version": request.profile.version,
        "state": CrawlState.RUNNING.value,
        "max_listings": request.limits.max_listings,
        "max_accepted": request.limits.max_accepted,
        "create_time": now,
    }
    connection.execute(insert(crawls).values(row))
    add_sources(connection, crawl_id, request.sources, request.settings)
    return get_crawl(connection, crawl_id)


def get_crawl(connection: Connection, crawl_id: str) -> Crawl:
    """Returns one crawl.

    Raises:
        NotFound: There is none of this id.
    """
    row = connection.execute(select(crawls).where(crawls.c.crawl_id == crawl_id)).one_or_none()
    if row is None:
        kind = "crawl"
        raise NotFound(kind, crawl_id)
    return _crawl_of(connection, row)


def list_crawls(connection: Connection, *, limit: int = 1000) -> list[Crawl]:
    """Returns crawls, newest first."""
    query = select(crawls).order_by(crawls.c.create_time.desc()).limit(limit)
    return [_crawl_of(connection, row) for row in connection.execute(query).all()]


def list_running(connection: Connection) -> list[Crawl]:
    """Returns the crawls that are RUNNING, oldest first."""
    running = select(crawls).where(crawls.c.state == CrawlState.RUNNING.value)
    rows = connection.execute(running.order_by(crawls.c.create_time)).all()
    return [_crawl_of(connection, row) for row in rows]


def set_state(connection: Connection, crawl_id: str, state: CrawlState, reason: str = "") -> None:
    """Changes what a crawl is doing; an ended crawl stays as it is."""
    going = (CrawlState.RUNNING.value, CrawlState.PAUSED.value)
    connection.execute(
        update(crawls)
        .where(crawls.c.crawl_id == crawl_id, crawls.c.state.in_(going))
        .values(state=state.value, state_reason=reason)
    )


def list_counts(connection: Connection, crawl_id: str) -> list[Count]:
    """Returns the counts of what is settled."""
    query = select(crawl_counts).where(crawl_counts.c.crawl_id == crawl_id)
    return [
        Count(
            OutcomeState(row.outcome_state),
            OutcomeReason(row.outcome_reason) if row.outcome_reason else None,
            Verdict(row.verdict) if row.verdict else None,
            row.known,
            row._mapping["count"],  # noqa: SLF001 - SQLAlchemy's public name; `count` is a tuple's method
        )
        for row in connection.execute(query)
    ]


def list_settled(
    connection: Connection, crawl_id: str, *, after: int, limit: int
) -> list[SettledListing]:
    """Returns what was settled after a sequence, in order."""
    query = (
        select(
            listings, crawl_listings.c.sequence, crawl_listings.c.known, crawl_listings.c.repeated
        )
        .join(crawl_listings)
        .where(crawl_listings.c.crawl_id == crawl_id, crawl_listings.c.sequence > after)
        .order_by(crawl_listings.c.sequence)
        .limit(limit)
    )
    settled = []
    for row in connection.execute(query):
        outcome = outcome_of(row) or _failed_before(row)
        settled.append(
            SettledListing(row.sequence, listing_of(row), outcome, row.known, row.repeated)
        )
    return settled


def _failed_before(row: Row[tuple[object, ...]]) -> Outcome:
    """Of a failure that may pass and that another crawl tries again just now: its sentence is left, not its word."""
    columns = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    return Outcome(
        OutcomeState.FAILED,
        None,
        columns["outcome_message"] or "",
        columns["final_url"] or "",
        "",
        columns["size_bytes"] or 0,
        columns["outcome_time"] or 0.0,
    )


def _crawl_of(connection: Connection, row: Row[tuple[object, ...]]) -> Crawl:
    sources = tuple(list_sources(connection, str(row.crawl_id)))
    request = CrawlRequest(
        row.request_id,
        tuple(source.uri for source in sources),
        ProfileVersion(row.profile_name, row.profile_version),
        CrawlLimits(row.max_listings, row.max_accepted),
        {source.uri: source.settings for source in sources},
    )
    return Crawl(
        row.crawl_id,
        request,
        CrawlState(row.state),
        row.state_reason,
        row.found_count,
        row.last_sequence,
        row.create_time,
        sources,
    )
