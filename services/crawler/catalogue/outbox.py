"""The outbox: which images are to be delivered to which sinks, who delivers them, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Float,
    FromClause,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.catalogue.many import Given, Many
from services.crawler.catalogue.schema import images, kept_images, outbox, sinks
from services.crawler.catalogue.upsert import insert_on

_BACKFILLED_AT_ONCE = 5_000


class Event(StrEnum):
    """What a delivery tells."""

    ACCEPTED = "ACCEPTED"
    PURGED = "PURGED"
    REPLACED = "REPLACED"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that this crawler holds until its lease expires.

    Attributes:
        delivery_id: Its row.
        sink: The name of the sink.
        event: What it tells.
        digest: Of the image, SHA-256, 64 hex digits.
        profile_name: The profile that keeps it, or kept it.
        file_name: Of what is not kept any more, the readable name that the image had.
        tries: How often it was begun, this time included.
        failed_count: How often the receiver said no to it.
        message: Of what is not kept any more, what the receiver said when it got the image.
        again_sequence: Of what was replaced once and kept again, its place in the order of accepting then; else 0.
        replaced_by: Of what was replaced, the digest of the better copy; else empty.
    """

    delivery_id: int
    sink: str
    event: Event
    digest: str
    profile_name: str
    file_name: str
    tries: int
    failed_count: int
    message: str
    again_sequence: int = 0
    replaced_by: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a delivery did not succeed, and what is to become of it.

    Attributes:
        message: One sentence.
        refused: Whether it is given up until a person asks for it again.
        counted: Whether the receiver said no to this one.
        wait_s: After so many seconds it may be tried again.
    """

    message: str
    refused: bool
    counted: bool
    wait_s: float


_COLUMNS = (
    *("sink", "event", "digest", "profile_name", "file_name", "state"),
    *("tries", "failed_count", "next_attempt_time", "message", "create_time"),
    "again_sequence",
)
_NEW = (
    *(literal(""), literal(DeliveryState.PENDING.value)),
    *(literal(0), literal(0), literal(0.0), literal("")),
)
_AGAIN = case((images.c.kept_again, images.c.sequence), else_=0)


def _add(given: Given) -> Executable:
    owed = (
        select(
            sinks.c.name,
            literal(Event.ACCEPTED.value),
            given["of_digest"],
            given["of_profile"],
            *_NEW,
            bindparam("of_time", type_=Float),
            func.coalesce(
                select(_AGAIN).where(images.c.digest == given["of_digest"]).scalar_subquery(), 0
            ),
        )
        .select_from(given.with_each_of(sinks))
        .where(sinks.c.configured)
        .order_by(*given.order)
    )
    return given.insert(outbox).from_select(list(_COLUMNS), owed).on_conflict_do_nothing()


_ADD = Many({"of_digest": String(), "of_profile": String()}, _add)
_earlier, _later = outbox.alias(), outbox.alias()


def tells_of_same(other: FromClause) -> ColumnElement[bool]:
    """Whether another row of the outbox tells the same sink of the same image, under the same profile."""
    names = ("digest", "profile_name", "sink")
    return and_(*(other.c[name] == outbox.c[name] for name in names))


# What was delivered after it would be taken from the receiver, and a purge says the same.
_IS_OVERTAKEN = and_(
    outbox.c.event == Event.REPLACED.value,
    exists().where(
        tells_of_same(_later),
        _later.c.event != Event.REPLACED.value,
        _later.c.delivery_id > outbox.c.delivery_id,
    ),
)


def add(connection: Connection, kept: Collection[tuple[str, str]], *, now: float) -> None:
    """Owes every sink that is configured images that are kept now; belongs into the transaction that keeps them.

    Args:
        connection: That transaction's.
        kept: (digest, profile name) of each, in the order of accepting.
        now: Seconds since 1970.
    """
    rows = [{"of_digest": digest, "of_profile": profile_name} for digest, profile_name in kept]
    if rows:
        _ADD.run(connection, rows, of_time=now)


def lease(connection: Connection, sink: str, terms: LeaseTerms, *, limit: int) -> list[Due]:
    """Takes deliveries of a sink that are due, oldest first; all crawlers together hold at most `limit` of them.

    None for a sink that is stopped. A purge or replacement waits for as long as the image itself may be on its way, and
    an image that is kept again until the receiver was told that it was replaced.
    """
    # Whoever else leases for this sink waits here, and who accepts does not. SQLite has one writer anyway.
    locked = select(sinks.c.stopped).where(sinks.c.name == sink).with_for_update(key_share=True)
    if connection.execute(locked).scalar_one():
        return []
    held = select(func.count()).where(
        outbox.c.sink == sink,
        outbox.c.lease_owner.is_not(None),
        outbox.c.lease_expire_time >= terms.now,
    )
    room = limit - connection.execute(held).scalar_one()
    if room <= 0:
        return []
    still_to_tell = and_(
        outbox.c.event == Event.ACCEPTED.value, _earlier.c.state == DeliveryState.PENDING.value
    )
    is_behind = exists().where(
        tells_of_same(_earlier),
        _earlier.c.delivery_id < outbox.c.delivery_id,
        or_(_earlier.c.lease_expire_time >= terms.now, still_to_tell),
    )
    query = (
        select(outbox)
        .where(
            outbox.c.sink == sink,
            outbox.c.state == literal(DeliveryState.PENDING.value, literal_execute=True),
            outbox.c.next_attempt_time <= terms.now,
            or_(outbox.c.lease_expire_time.is_(None), outbox.c.lease_expire_time < terms.now),
            ~is_behind,
        )
        .order_by(outbox.c.delivery_id)
        .limit(room)
        # Whoever writes how one ended may wait for the sink next: nobody waits for him meanwhile.
        .with_for_update(of=outbox, skip_locked=True)
    )
    rows = connection.execute(query).all()
    connection.execute(
        update(outbox)
        .where(outbox.c.delivery_id.in_([row.delivery_id for row in rows]))
        .values(
            lease_owner=terms.owner,
            lease_expire_time=terms.now + terms.duration_s,
            tries=outbox.c.tries + 1,
        )
    )
    return [
        Due(
            row.delivery_id,
            row.sink,
            Event(row.event),
            row.digest,
            row.profile_name,
            row.file_name,
            row.tries + 1,
            row.failed_count,
            row.message,
            row.again_sequence,
            row.replaced_by_digest,
        )
        for row in rows
    ]


def record_delivered(
    connection: Connection, delivery_id: int, owner: str, *, note: str, now: float
) -> bool:
    """Writes that a delivery has arrived. False if it is not this owner's any more, or was withdrawn meanwhile."""
    values = {"state": DeliveryState.DELIVERED.value, "message": note, "file_name": ""}
    return _end(connection, delivery_id, owner, values | {"end_time": now})


def record_failure(
    connection: Connection, delivery_id: int, owner: str, failure: Failure, *, now: float
) -> bool:
    """Writes why a delivery did not succeed. False as for `record_delivered`."""
    state = DeliveryState.REFUSED if failure.refused else DeliveryState.PENDING
    values = {
        "state": state.value,
        "message": failure.message,
        "failed_count": outbox.c.failed_count + int(failure.counted),
        "next_attempt_time": now + failure.wait_s if failure.wait_s else 0.0,
        "end_time": now if failure.refused else None,
    }
    return _end(connection, delivery_id, owner, values)


def release_owner(connection: Connection, owner: str) -> None:
    """Gives back everything that one owner holds."""
    _release(connection, owner)


def release_all(connection: Connection) -> None:
    """Gives everything back. Only for a crawler that alone has the catalogue: nobody else can hold any."""
    _release(connection, None)


def retry(connection: Connection, sink: str) -> int:
    """Lets a sink be tried again at once, with all that it refused. Returns how many those are.

    A replacement is given up instead if the image was kept again, or purged, after it.
    """
    of_sink = outbox.c.sink == sink
    again = {"failed_count": 0, "next_attempt_time": 0.0}
    waiting = outbox.c.state == DeliveryState.PENDING.value
    delayed = outbox.c.next_attempt_time > 0.0
    connection.execute(update(outbox).where(of_sink, waiting, delayed).values(again))
    refused = outbox.c.state == DeliveryState.REFUSED.value
    given_up = update(outbox).where(of_sink, refused, _IS_OVERTAKEN)
    connection.execute(given_up.values(state=DeliveryState.WITHDRAWN.value))
    back = again | {"state": DeliveryState.PENDING.value, "end_time": None}
    count = connection.execute(update(outbox).where(of_sink, refused).values(back)).rowcount
    # Last, as by whoever writes how a delivery ended.
    connection.execute(update(sinks).where(sinks.c.name == sink).values(stopped=False))
    return count


def backfill(
    connection: Connection, sink: str, *, after_sequence: int, now: float
) -> tuple[int, int]:
    """Owes a sink some of the images that were kept before it was there, in the order of accepting.

    Returns the sequence to go on after, 0 if there are no more, and how many are new to it.
    """
    page = (
        select(images.c.sequence)
        .where(images.c.sequence > after_sequence)
        .order_by(images.c.sequence)
        .limit(_BACKFILLED_AT_ONCE)
    )
    sequences = connection.scalars(page).all()
    if not sequences:
        return 0, 0
    chosen = (
        select(
            literal(sink),
            literal(Event.ACCEPTED.value),
            kept_images.c.digest,
            kept_images.c.profile_name,
            *_NEW,
            literal(now),
            _AGAIN,
        )
        .join(images, images.c.digest == kept_images.c.digest)
        .where(images.c.sequence > after_sequence, images.c.sequence <= sequences[-1])
        .order_by(images.c.sequence, kept_images.c.profile_name)
    )
    statement = (
        insert_on(connection)(outbox).from_select(list(_COLUMNS), chosen).on_conflict_do_nothing()
    )
    return sequences[-1], connection.execute(statement).rowcount


def _end(
    connection: Connection, delivery_id: int, owner: str, values: Mapping[str, object]
) -> bool:
    free = {"lease_owner": None, "lease_expire_time": None}
    held = and_(outbox.c.delivery_id == delivery_id, outbox.c.lease_owner == owner)
    pending = outbox.c.state == DeliveryState.PENDING.value
    if connection.execute(update(outbox).where(held, pending).values({**free, **values})).rowcount:
        return True
    connection.execute(update(outbox).where(held).values(free))
    return False


def _release(connection: Connection, owner: str | None) -> None:
    whose = outbox.c.lease_owner.is_not(None) if owner is None else outbox.c.lease_owner == owner
    free = {"lease_owner": None, "lease_expire_time": None}
    connection.execute(update(outbox).where(whose).values(free))
