"""What sources and hosts have given so far, over all crawls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, func, select

from services.crawler.catalogue.schema import images, listings
from services.crawler.outcome import OutcomeReason, OutcomeState

_HOSTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Failures:
    """How many listings could not be fetched for one reason."""

    state: OutcomeState
    reason: OutcomeReason
    count: int


@dataclass(frozen=True, slots=True)
class SourceYield:
    """What a source has given over all crawls: listings found, fetched, accepted under any profile, and failed."""

    source: str
    found_count: int
    fetched_count: int
    accepted_count: int
    failures: tuple[Failures, ...] = ()

    @property
    def share(self) -> float:
        """The yield: accepted ÷ fetched, in [0, 1]; 0 if nothing was fetched."""
        return self.accepted_count / self.fetched_count if self.fetched_count else 0.0


@dataclass(frozen=True, slots=True)
class HostReport:
    """What a host has answered over all crawls: listings found, fetched, and failed. No host is local files."""

    host: str
    found_count: int
    fetched_count: int
    failures: tuple[Failures, ...]


def list_source_yields(connection: Connection) -> list[SourceYield]:
    """Returns what each source has given, best yield first."""
    fetched = func.count().filter(listings.c.outcome_state == "FETCHED")
    query = (
        select(
            listings.c.source,
            func.count().label("found_count"),
            fetched.label("fetched_count"),
            func.count(images.c.digest).label("accepted_count"),
        )
        .outerjoin(images, images.c.listing_id == listings.c.listing_id)
        .group_by(listings.c.source)
    )
    failures = _failures(connection, listings.c.source)
    yields = [
        SourceYield(
            row.source,
            row.found_count,
            row.fetched_count,
            row.accepted_count,
            failures.get(row.source, ()),
        )
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
