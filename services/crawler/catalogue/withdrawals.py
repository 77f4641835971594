"""What sinks are owed of images that are not kept any more: that they were purged, or replaced."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, exists, literal, select, update

from services.crawler.catalogue.outbox import DeliveryState, Event, tells_of_same
from services.crawler.catalogue.schema import outbox
from services.crawler.catalogue.upsert import insert_on

_COLUMNS = (
    *("sink", "event", "digest", "profile_name", "file_name", "state"),
    *("tries", "failed_count", "next_attempt_time", "message", "create_time"),
    *("again_sequence", "replaced_by_digest"),
)
_NOT_TOLD = (DeliveryState.REFUSED.value, DeliveryState.WITHDRAWN.value)
_later = outbox.alias()
# Of the deliveries of an image to a sink: what becomes of it is told once.
_IS_LAST = ~exists().where(
    tells_of_same(_later),
    _later.c.event == Event.ACCEPTED.value,
    _later.c.again_sequence > outbox.c.again_sequence,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of an image that is not kept any more.

    Attributes:
        event: What became of it.
        replaced_by: The digest of the better copy; empty if it was purged.
    """

    event: Event
    replaced_by: str = ""


def withdraw(
    connection: Connection,
    digest: str,
    names: Collection[tuple[str, str]],
    told: Told,
    *,
    now: float,
) -> None:
    """Takes back what is owed of an image that is not kept any more, and owes that to whoever has it or may have it.

    Who was told of a replacement, and has not got the image again since, is not told of the next one. Who was not told,
    since it waited or was refused until the image was kept again, is owed the next one in its place. Belongs into the
    transaction that purges or replaces the image.

    Args:
        connection: That transaction's.
        digest: The image.
        names: Its readable names: the profile's, and the file's.
        told: What became of it.
        now: Seconds since 1970.
    """
    ours = and_(outbox.c.digest == digest, outbox.c.event == Event.ACCEPTED.value)
    untried = and_(outbox.c.tries == 0, outbox.c.state != DeliveryState.DELIVERED.value)
    connection.execute(outbox.delete().where(ours, untried))
    for profile_name, file_name in names:
        last = and_(ours, outbox.c.profile_name == profile_name, _IS_LAST)
        _owe(connection, last, file_name, told, now=now)
    kept_state = case(
        (outbox.c.state == DeliveryState.DELIVERED.value, outbox.c.state),
        else_=DeliveryState.WITHDRAWN.value,
    )
    connection.execute(update(outbox).where(ours).values(state=kept_state))
    if told.event is Event.PURGED:
        _forget(connection, digest)


def _owe(
    connection: Connection, last: ColumnElement[bool], file_name: str, told: Told, *, now: float
) -> None:
    # A purge is for good, whatever was told before; what was kept again may be replaced again.
    again = outbox.c.again_sequence if told.event is Event.REPLACED else literal(0)
    owed = select(
        outbox.c.sink,
        literal(told.event.value),
        outbox.c.digest,
        outbox.c.profile_name,
        literal(file_name),
        literal(DeliveryState.PENDING.value),
        *(literal(0), literal(0), literal(0.0)),
        outbox.c.message,
        literal(now),
        again,
        literal(told.replaced_by),
    ).where(last)
    new = insert_on(connection)(outbox).from_select(list(_COLUMNS), owed)
    # Not the file's name: the sink has the image under the one that it had then.
    names = ("state", "failed_count", "next_attempt_time", "message", "create_time")
    values = {name: new.excluded[name] for name in (*names, "replaced_by_digest")}
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["digest", "profile_name", "sink", "event", "again_sequence"],
            set_=values | {"end_time": None},
            where=outbox.c.state != DeliveryState.DELIVERED.value,
        )
    )


def _forget(connection: Connection, digest: str) -> None:
    """What a receiver said, and names of files, may tell of the image."""
    of_image = outbox.c.digest == digest
    connection.execute(
        outbox.delete().where(
            of_image, outbox.c.event == Event.REPLACED.value, outbox.c.state.in_(_NOT_TOLD)
        )
    )
    told = update(outbox).where(of_image, outbox.c.event != Event.PURGED.value)
    connection.execute(told.values(message=""))
