"""What sources, communities and hosts have given so far, over all crawls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
)

from services.crawler.catalogue.schema import images, judgements, kept_images, listings
from services.crawler.judgement import Verdict
from services.crawler.outcome import OutcomeReason, OutcomeState

_HOSTS_MAX = 10_000
_SCREENED_OUT = (OutcomeReason.TOO_SMALL, OutcomeReason.EXTREME_ASPECT)
_CLEAN = (Verdict.ACCEPTED, Verdict.REPLACED)
_ON_PROFILE = (*_CLEAN, Verdict.WATERMARKED)
_NEW = (*_ON_PROFILE, Verdict.OFF_PROFILE)
# PostgreSQL adds whole numbers up to a decimal.
_TOTAL_BYTES = cast(func.coalesce(func.sum(listings.c.size_bytes), 0), BigInteger)


@dataclass(frozen=True, slots=True)
class Failures:
    """How many listings could not be fetched for one reason."""

    state: OutcomeState
    reason: OutcomeReason
    count: int


@dataclass(frozen=True, slots=True)
class SourceYield:
    """What a source, or a community, has given over all crawls; the counts are of listings.

    Attributes:
        source: Its URI.
        found_count: Found.
        received_count: Of these, those whose bytes came.
        decoded_count: Of these, those that decode.
        fetched_count: Of these, those that the screen let through.
        new_count: Of these, those that brought an image first which is no duplicate under some profile.
        on_profile_count: Of these, those that fit some profile.
        clean_count: Of these, those without a watermark.
        accepted_count: Of these, those that some profile keeps an image for.
        size_bytes: Bytes that came.
        work_s: How long its listings were under way, summed up, seconds.
        failures: Those that were not fetched, by reason.
    """

    source: str
    found_count: int
    received_count: int = 0
    decoded_count: int = 0
    fetched_count: int = 0
    new_count: int = 0
    on_profile_count: int = 0
    clean_count: int = 0
    accepted_count: int = 0
    size_bytes: int = 0
    work_s: float = 0.0
    failures: tuple[Failures, ...] = ()

    @property
    def share(self) -> float:
        """The yield: accepted ÷ fetched, in [0, 1]; 0 if nothing was fetched."""
        return self.accepted_count / self.fetched_count if self.fetched_count else 0.0

    @property
    def bytes_per_accepted(self) -> int:
        """Bytes that came for each accepted image; 0 if none was accepted."""
        return self.size_bytes // self.accepted_count if self.accepted_count else 0

    @property
    def seconds_per_accepted(self) -> float:
        """Seconds that listings were under way for each accepted image; 0 if none was accepted."""
        return self.work_s / self.accepted_count if self.accepted_count else 0.0


@dataclass(frozen=True, slots=True)
class HostReport:
    """What a host has answered over all crawls: listings found, fetched, and failed. No host is local files."""

    host: str
    found_count: int
    fetched_count: int
    failures: tuple[Failures, ...]


def list_source_yields(connection: Connection, *, by_community: bool = False) -> list[SourceYield]:
    """Returns what each source has given, or each community that is known, best yield first."""
    key = listings.c.community if by_community else listings.c.source
    is_fetched = listings.c.outcome_state == OutcomeState.FETCHED.value
    is_decoded = or_(is_fetched, listings.c.outcome_reason.in_(_SCREENED_OUT))
    received = func.sum(case((listings.c.size_bytes > 0, 1), else_=0))
    query = select(
        key.label("source"),
        func.count().label("found_count"),
        received.label("received_count"),
        func.count().filter(is_decoded).label("decoded_count"),
        func.count().filter(is_fetched).label("fetched_count"),
        func.count().filter(_found_first(_NEW)).label("new_count"),
        func.count().filter(_found_first(_ON_PROFILE)).label("on_profile_count"),
        func.count().filter(_found_first(_CLEAN)).label("clean_count"),
        func.count().filter(_kept_here()).label("accepted_count"),
        _TOTAL_BYTES.label("size_bytes"),
        func.coalesce(func.sum(listings.c.work_s), 0.0).label("work_s"),
    ).group_by(key)
    if by_community:
        query = query.where(key != "")
    failures = _failures(connection, key)
    yields = [
        SourceYield(**_facts(row), failures=failures.get(row.source, ()))
        for row in connection.execute(query)
    ]
    return sorted(yields, key=lambda source: (-source.share, -source.accepted_count, source.source))


def list_hosts(connection: Connection) -> list[HostReport]:
    """Returns what each host has answered, most listings first, at most 10,000."""
    fetched = func.count().filter(listings.c.outcome_state == OutcomeState.FETCHED.value)
    query = (
        select(listings.c.host, func.count().label("found"), fetched.label("fetched"))
        .group_by(listings.c.host)
        .order_by(func.count().desc(), listings.c.host)
        .limit(_HOSTS_MAX)
    )
    failures = _failures(connection, listings.c.host)
    return [
        HostReport(row.host, row.found, row.fetched, failures.get(row.host, ()))
        for row in connection.execute(query)
    ]


def _found_first(verdicts: Iterable[Verdict]) -> ColumnElement[bool]:
    """Whether a listing's image has one of these verdicts under some profile, and no other listing brought it first."""
    other = listings.alias()
    is_judged = exists().where(
        judgements.c.digest == listings.c.digest, judgements.c.verdict.in_(verdicts)
    )
    is_kept = exists().where(images.c.digest == listings.c.digest)
    is_later = exists().where(
        other.c.digest == listings.c.digest, other.c.listing_id < listings.c.listing_id
    )
    is_fetched = listings.c.outcome_state == OutcomeState.FETCHED.value
    return or_(_kept_here(), and_(is_fetched, is_judged, not_(is_kept), not_(is_later)))


def _kept_here() -> ColumnElement[bool]:
    """Whether some profile keeps an image that this listing brought."""
    return or_(
        exists().where(images.c.listing_id == listings.c.listing_id),
        exists().where(kept_images.c.listing_id == listings.c.listing_id),
    )


def _facts(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _failures(connection: Connection, column: Column[Any]) -> dict[str, tuple[Failures, ...]]:
    """The failures by the values of a column of `listings`, most first."""
    query = (
        select(
            column.label("key"),
            listings.c.outcome_state,
            listings.c.outcome_reason,
            func.count().label("failed"),
        )
        .where(listings.c.outcome_reason.is_not(None))
        .group_by(column, listings.c.outcome_state, listings.c.outcome_reason)
        .order_by(func.count().desc(), listings.c.outcome_reason)
    )
    found: dict[str, tuple[Failures, ...]] = {}
    for row in connection.execute(query):
        failed = Failures(
            OutcomeState(row.outcome_state), OutcomeReason(row.outcome_reason), row.failed
        )
        found[row.key] = (*found.get(row.key, ()), failed)
    return found
