"""Images that were purged: what is left of them, and how everything else goes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, union, update

from services.crawler.candidate import Fingerprint
from services.crawler.catalogue import distinct_pairs, replacements
from services.crawler.catalogue.accept_order import take_accept_lock
from services.crawler.catalogue.frontier import listing_of
from services.crawler.catalogue.many import Lookup
from services.crawler.catalogue.outbox import Event
from services.crawler.catalogue.purge_selection import PurgeSelection, matching, successors
from services.crawler.catalogue.schema import (
    candidates,
    images,
    judgements,
    kept_images,
    listings,
    purged_images,
    replaced_images,
    seen_images,
)
from services.crawler.catalogue.upsert import Upsert
from services.crawler.catalogue.withdrawals import Told, withdraw
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState

# A server would send millions at once.
_READ_AT_ONCE = 10_000
_FIND_PURGED = Lookup(
    lambda among: select(purged_images.c.digest).where(among(purged_images.c.digest, "digests"))
)
_INSERT_PURGED = Upsert(lambda insert: insert(purged_images).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class PurgeCandidate:
    """A kept image that is selected.

    Attributes:
        digest: SHA-256, 64 hex digits.
        listing: The listing that it was first fetched for; of what was purged before, one without an address if none
            is known any more.
        names: Its readable names, as (profile name, file name).
    """

    digest: str
    listing: Listing
    names: tuple[tuple[str, str], ...]


def select_images(connection: Connection, selection: PurgeSelection) -> list[PurgeCandidate]:
    """Returns the kept images that a selection names, oldest first: by any of the listings that had their bytes.

    Or the bytes of what they replaced: it is the same picture.

    Raises:
        NotFound: No image's digest begins so.
        AmbiguousDigest: Several do.
    """
    named = matching(connection, selection)
    # One IN of both: of two under an OR, PostgreSQL makes no join, and looks a long list through for each image.
    both = union(named, successors(named)).subquery()
    query = (
        select(images.c.digest.label("stored"), listings)
        .join(listings, listings.c.listing_id == images.c.listing_id)
        .where(images.c.digest.in_(select(both.c.digest)))
        .order_by(images.c.sequence)
    )
    return [
        PurgeCandidate(row.stored, listing_of(row), _names(connection, row.stored))
        for row in connection.execute(query)
    ]


def select_pending(
    connection: Connection, selection: PurgeSelection
) -> list[tuple[PurgeCandidate, str]]:
    """Returns the images that were purged, and why, whose files may still be there; of those that a selection names.

    Raises:
        NotFound: No image's digest begins so.
        AmbiguousDigest: Several do.
    """
    had = listings.alias()
    first = select(func.min(had.c.listing_id)).where(had.c.digest == purged_images.c.digest)
    query = (
        select(
            purged_images.c.digest.label("purged"),
            *(purged_images.c.reason, purged_images.c.pending_names),
            listings,
        )
        .select_from(purged_images)
        .outerjoin(listings, listings.c.listing_id == first.scalar_subquery())
        .where(
            purged_images.c.pending_names.is_not(None),
            purged_images.c.digest.in_(matching(connection, selection)),
        )
        .order_by(purged_images.c.position)
    )
    return [
        (PurgeCandidate(row.purged, _listing(row), _names_in(row.pending_names)), row.reason)
        for row in connection.execute(query)
    ]


def purge(
    connection: Connection,
    image: PurgeCandidate,
    *,
    reason: str,
    now: float,
    follow: bool = True,
) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Removes all that the catalogue knows of an image but its digest, perceptual hash and addresses.

    Its listings get the outcome PURGED, so that they are never asked for again; so does the one that it was kept for,
    unless that shows another image of the store by now. Its files are to be removed next.
    Nobody records anything meanwhile, so no crawler writes anew what is removed here. A better copy that has taken its
    place since it was selected is purged with it, and so is all that these have replaced: it is the same picture.

    Args:
        connection: A transaction of its own.
        image: What was selected.
        reason: For the record; may be empty.
        now: Seconds since 1970.
        follow: Whether a better copy goes with it. Else nothing is purged if there is one.

    Returns:
        (digest, readable names) of what is to be removed; nothing of what another crawler has purged meanwhile.
    """
    take_accept_lock(connection)
    kept = replacements.find_end(connection, image.digest)
    if kept != image.digest and not follow:
        return []
    before = replacements.find_predecessors(connection, kept)
    files = [(kept, _names(connection, kept)), *((old.digest, (old.name,)) for old in before)]
    if before:
        distinct_pairs.extend_pairs(connection, [digest for digest, _ in files])
    return [
        (digest, names)
        for digest, names in files
        if _purge(connection, digest, names, reason=reason, now=now)
    ]


def _purge(
    connection: Connection,
    digest: str,
    names: tuple[tuple[str, str], ...],
    *,
    reason: str,
    now: float,
) -> bool:
    """Purges one image; False if it was purged before."""
    columns = ("digest", "hash64", "hash256", "flat")
    row = connection.execute(
        select(*(candidates.c[name] for name in columns)).where(candidates.c.digest == digest)
    ).one_or_none()
    if row is None:
        return False
    left = {
        **row._mapping,  # noqa: SLF001 - SQLAlchemy's public name
        "reason": reason,
        "purge_time": now,
        "pending_names": json.dumps(names),
    }
    connection.execute(_INSERT_PURGED.on(connection), left)
    kept_for = _kept_for(connection, digest)
    withdraw(connection, digest, names, Told(Event.PURGED), now=now)
    # Rows that refer to others go first.
    for table in (kept_images, images, replaced_images, judgements, candidates, seen_images):
        connection.execute(delete(table).where(table.c.digest == digest))
    _block(connection, digest, kept_for, reason=reason)
    return True


def _kept_for(connection: Connection, digest: str) -> list[int]:
    """The listings that an image was kept for and that may have other bytes by now.

    None that shows another image, or one that was purged: it is blocked already, and leads to what is left of that.
    """
    listed = union(
        *(
            select(table.c.listing_id).where(table.c.digest == digest)
            for table in (images, kept_images)
        )
    ).subquery()
    query = (
        select(listings.c.listing_id)
        .join(listed, listed.c.listing_id == listings.c.listing_id)
        .outerjoin(images, images.c.digest == listings.c.digest)
        .outerjoin(replaced_images, replaced_images.c.digest == listings.c.digest)
        .outerjoin(purged_images, purged_images.c.digest == listings.c.digest)
        .where(images.c.digest.is_(None), replaced_images.c.digest.is_(None))
        .where(or_(purged_images.c.digest.is_(None), purged_images.c.digest == digest))
    )
    return list(connection.scalars(query))


def _block(connection: Connection, digest: str, kept_for: Collection[int], *, reason: str) -> None:
    """Ends the listings that have an image's bytes, and those that it was kept for."""
    values = {
        **dict.fromkeys(("title", "page_url", "author", "final_url"), ""),
        "outcome_state": OutcomeState.BLOCKED.value,
        "outcome_reason": OutcomeReason.PURGED.value,
        "outcome_message": reason,
        # What it gave once: a purge that was interrupted is found by it.
        "digest": digest,
    }
    chosen = or_(listings.c.digest == digest, listings.c.listing_id.in_(kept_for))
    connection.execute(update(listings).where(chosen).values(values))


def list_pending(connection: Connection) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Returns (digest, readable names) of purged images whose files may still be there."""
    query = select(purged_images.c.digest, purged_images.c.pending_names)
    rows = connection.execute(query.where(purged_images.c.pending_names.is_not(None)))
    return [(row.digest, _names_in(row.pending_names)) for row in rows]


def record_removed(connection: Connection, digest: str) -> None:
    """Writes that the files of a purged image are gone."""
    connection.execute(
        update(purged_images).where(purged_images.c.digest == digest).values(pending_names=None)
    )


def iterate_purged(connection: Connection) -> Iterator[tuple[str, Fingerprint]]:
    """Yields (digest, fingerprint) of every image that was purged."""
    query = select(purged_images).execution_options(yield_per=_READ_AT_ONCE)
    for row in connection.execute(query):
        yield row.digest, Fingerprint(int(row.hash64, 16), row.hash256, row.flat)


def find_purged(connection: Connection, digests: Collection[str]) -> set[str]:
    """Returns those of these images that were purged."""
    return set(_FIND_PURGED.run(connection, digests=list(digests)).scalars())


def _listing(row: Any) -> Listing:
    return Listing("", "") if row.listing_id is None else listing_of(row)


def _names_in(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((profile, name) for profile, name in json.loads(text))


def _names(connection: Connection, digest: str) -> tuple[tuple[str, str], ...]:
    query = select(kept_images.c.profile_name, kept_images.c.file_name)
    rows = connection.execute(query.where(kept_images.c.digest == digest))
    return tuple((row.profile_name, row.file_name) for row in rows)
