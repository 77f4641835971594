"""The one order in which images are accepted, whoever accepts them.

Near-duplicates are not transitive, so which of several is kept depends on their order: an image is accepted only if
none that was accepted before is near it, or it replaces all of those. Whoever accepts, purges or marks therefore holds
a lock to the end of the transaction, reads what others added since it last looked, and decides then. On PostgreSQL the
lock is an advisory one, and transactions are READ COMMITTED: under REPEATABLE READ they would see what was there before
they had the lock. On SQLite BEGIN IMMEDIATE is the lock.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Table, func, select, text

from services.crawler.candidate import Fingerprint
from services.crawler.catalogue.schema import (
    candidates,
    images,
    purged_images,
    replaced_images,
    seen_images,
)
from services.crawler.seen.news import Horizon, News

# "Lodf": the next number to that of the lock which a crawler has for its life. And the schema.
_KEY = "1282368614, hashtext(coalesce(current_schema(), ''))"
_TAKE = text(f"SELECT pg_advisory_xact_lock({_KEY})")
_SHARE = text(f"SELECT pg_advisory_xact_lock_shared({_KEY})")

_LOGS = (
    images.c.sequence,
    purged_images.c.position,
    seen_images.c.position,
    replaced_images.c.position,
)
_HEADS = select(*(func.coalesce(select(func.max(log)).scalar_subquery(), 0) for log in _LOGS))


def take_accept_lock(connection: Connection) -> None:
    """Waits until nobody else accepts, purges, marks or records; to the end of the transaction nobody else does."""
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE)


def share_accept_lock(connection: Connection) -> None:
    """Waits until nobody accepts, purges or marks; to the end of the transaction nobody does."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SHARE)


def read_news(connection: Connection, horizon: Horizon) -> News:
    """Reads what is behind a horizon. Nothing is missed under the lock, and without it nothing that is committed."""
    heads = read_horizon(connection)
    return News(
        tuple(_kept(connection, horizon.kept)) if heads.kept > horizon.kept else (),
        tuple(_purged(connection, horizon.purged)) if heads.purged > horizon.purged else (),
        tuple(_marked(connection, horizon.marked)) if heads.marked > horizon.marked else (),
        horizon.furthest(heads),
        tuple(_replaced(connection, horizon.replaced)) if heads.replaced > horizon.replaced else (),
    )


def read_horizon(connection: Connection) -> Horizon:
    """Returns how far the logs reach now."""
    heads = connection.execute(_HEADS).one()
    return Horizon(*(int(head) for head in heads))


def _hashes(table: Table) -> tuple[Column[Any], ...]:
    return table.c.hash64, table.c.hash256, table.c.flat


def _kept(connection: Connection, after: int) -> list[tuple[int, str, Fingerprint]]:
    columns = (images.c.sequence, candidates.c.digest, *_hashes(candidates))
    query = (
        select(*columns)
        .join(candidates, candidates.c.digest == images.c.digest)
        .where(images.c.sequence > after)
        .order_by(images.c.sequence)
    )
    return [
        (sequence, digest, Fingerprint(int(hash64, 16), hash256, flat))
        for sequence, digest, hash64, hash256, flat in connection.execute(query)
    ]


def _purged(connection: Connection, after: int) -> list[tuple[str, Fingerprint]]:
    query = (
        select(purged_images.c.digest, *_hashes(purged_images))
        .where(purged_images.c.position > after)
        .order_by(purged_images.c.position)
    )
    return [
        (digest, Fingerprint(int(hash64, 16), hash256, flat))
        for digest, hash64, hash256, flat in connection.execute(query)
    ]


def _replaced(connection: Connection, after: int) -> list[tuple[str, Fingerprint, str]]:
    query = (
        select(replaced_images.c.replaced_by_digest, replaced_images.c.digest, *_hashes(candidates))
        .join(candidates, candidates.c.digest == replaced_images.c.digest)
        .where(replaced_images.c.position > after)
        .order_by(replaced_images.c.position)
    )
    return [
        (digest, Fingerprint(int(hash64, 16), hash256, flat), by)
        for by, digest, hash64, hash256, flat in connection.execute(query)
    ]


def _marked(connection: Connection, after: int) -> list[tuple[str, str, Fingerprint]]:
    query = (
        select(seen_images.c.profile_name, seen_images.c.digest, *_hashes(seen_images))
        .where(seen_images.c.position > after)
        .order_by(seen_images.c.position)
    )
    return [
        (name, digest, Fingerprint(int(hash64, 16), hash256, flat))
        for name, digest, hash64, hash256, flat in connection.execute(query)
    ]
