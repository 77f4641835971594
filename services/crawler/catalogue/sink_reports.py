"""Which sinks there are, how they do, and how much each has got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, literal, select, update

from services.crawler.catalogue.outbox import DeliveryState
from services.crawler.catalogue.row_locks import lock_in_order
from services.crawler.catalogue.schema import outbox, sinks
from services.crawler.catalogue.upsert import insert_on
from services.servicekit.errors import NotFound


@dataclass(frozen=True, slots=True)
class SinkReport:
    """How a sink does.

    Attributes:
        name: As the settings call it.
        kind: `folder`, `webhook` or `scenery`.
        configured: Whether the crawler that started last has it.
        stopped: Whether it asked never to be told again.
        waiting_for: Why nothing is delivered just now; empty while deliveries go on.
        pending_count: Deliveries that are still to be made.
        delivered_count: Deliveries that have arrived.
        refused_count: Deliveries that were given up.
        oldest_time: Since when the oldest pending one waits, seconds since 1970; None if none does.
        last_error: Why the last delivery that did not succeed did not; empty if all did.
        last_error_time: When that was, seconds since 1970; None if all succeeded.
    """

    name: str
    kind: str
    configured: bool
    stopped: bool
    waiting_for: str
    pending_count: int
    delivered_count: int
    refused_count: int
    oldest_time: float | None
    last_error: str
    last_error_time: float | None


def register(connection: Connection, kinds: Mapping[str, str], *, now: float) -> None:
    """Writes which sinks are configured, by name, with their kinds. What is pending for others stays pending."""
    others = sinks.c.name.not_in(kinds)
    lock_in_order(connection, sinks)
    connection.execute(update(sinks).where(others).values(configured=False))
    # In one order, so that two crawlers do not wait for each other.
    for name, kind in sorted(kinds.items()):
        row = {
            "name": name,
            "kind": kind,
            "configured": True,
            "stopped": False,
            "waiting_for": "",
            "last_error": "",
            "create_time": now,
        }
        known = {"kind": kind, "configured": True, "waiting_for": ""}
        new = insert_on(connection)(sinks).values(row)
        connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=known))


def note_error(connection: Connection, name: str, error: str, *, now: float) -> None:
    """Writes why a delivery did not succeed."""
    values = {"last_error": error, "last_error_time": now}
    connection.execute(update(sinks).where(sinks.c.name == name).values(values))


def note_waiting(connection: Connection, name: str, cause: str) -> None:
    """Writes what a sink waits for; nothing if deliveries go on."""
    connection.execute(update(sinks).where(sinks.c.name == name).values(waiting_for=cause))


def stop(connection: Connection, name: str) -> None:
    """Delivers nothing more to a sink until a person says so."""
    connection.execute(update(sinks).where(sinks.c.name == name).values(stopped=True))


def require(connection: Connection, name: str) -> None:
    """Passes a sink that is known.

    Raises:
        NotFound: It is not.
    """
    if connection.execute(select(sinks.c.name).where(sinks.c.name == name)).first() is None:
        kind = "sink"
        raise NotFound(kind, name)


def count_pending(connection: Connection, name: str) -> int:
    """How many deliveries a sink waits for."""
    # As a constant, or the index of what is pending would not be used.
    pending = outbox.c.state == literal(DeliveryState.PENDING.value, literal_execute=True)
    query = select(func.count()).select_from(outbox).where(outbox.c.sink == name, pending)
    return int(connection.execute(query).scalar_one())


def list_sinks(connection: Connection) -> list[SinkReport]:
    """Returns every sink that there ever was, by name."""
    counted = select(
        outbox.c.sink,
        outbox.c.state,
        func.count().label("number"),
        func.min(outbox.c.create_time).label("oldest"),
    ).group_by(outbox.c.sink, outbox.c.state)
    found = {(row.sink, row.state): row for row in connection.execute(counted)}

    def number(name: str, state: DeliveryState) -> int:
        row = found.get((name, state.value))
        return int(row.number) if row else 0

    reports = []
    for row in connection.execute(select(sinks).order_by(sinks.c.name)):
        pending = found.get((row.name, DeliveryState.PENDING.value))
        reports.append(
            SinkReport(
                row.name,
                row.kind,
                row.configured,
                row.stopped,
                row.waiting_for,
                number(row.name, DeliveryState.PENDING),
                number(row.name, DeliveryState.DELIVERED),
                number(row.name, DeliveryState.REFUSED),
                pending.oldest if pending else None,
                row.last_error,
                row.last_error_time,
            )
        )
    return reports
