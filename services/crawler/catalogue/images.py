"""Kept images, and images that count as seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from services.crawler.candidate import Fingerprint
from services.crawler.catalogue.frontier import Outcome, listing_of
from services.crawler.catalogue.schema import (
    candidates,
    images,
    kept_images,
    listings,
    seen_images,
)
from services.crawler.compliance import Compliance
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image in the store, under one profile.

    Attributes:
        sequence: The order of accepting, from 1.
        digest: SHA-256, 64 hex digits; its name in the store.
        profile: The version that accepted it.
        file_name: Its readable name under `kept/<profile>/`.
        listing: The listing that the profile accepted it for.
        final_url: The address that answered.
        size_bytes: How many bytes.
        accept_time: When the profile accepted it, seconds since 1970.
        linked: Whether its readable name was made; somebody may have removed it since.
        compliance: The rules under which it was fetched; None for a local file.
    """

    sequence: int
    digest: str
    profile: ProfileVersion
    file_name: str
    listing: Listing
    final_url: str
    size_bytes: int
    accept_time: float
    linked: bool
    compliance: Compliance | None


# Built once, with the values bound: building a statement costs six times what running it does (measured).
_INSERT_IMAGE = insert(images).on_conflict_do_nothing()
_INSERT_KEPT = insert(kept_images).on_conflict_do_nothing()
_MARK_LINKED = (
    update(kept_images)
    .where(
        kept_images.c.digest == bindparam("of_digest"),
        kept_images.c.profile_name == bindparam("of_name"),
    )
    .values(linked=True)
)


def record_image(
    connection: Connection, digest: str, listing_id: int, outcome: Outcome, *, now: float
) -> bool:
    """Writes that an image is in the store; its bytes must be there already. Returns False if it was known before."""
    row = {
        "digest": digest,
        "listing_id": listing_id,
        "final_url": outcome.final_url,
        "accept_time": now,
        "compliance": json.dumps(asdict(outcome.compliance)) if outcome.compliance else None,
    }
    return connection.execute(_INSERT_IMAGE, row).rowcount > 0


@dataclass(frozen=True, slots=True)
class Keep:
    """An image is kept under a profile's name.

    Attributes:
        profile: The version that accepted it.
        listing_id: The listing that it was accepted for.
        file_name: Its readable name.
        time: When, seconds since 1970.
    """

    profile: ProfileVersion
    listing_id: int
    file_name: str
    time: float


def keep(connection: Connection, digest: str, kept: Keep) -> bool:
    """Keeps a stored image under a profile's name. Returns False if it was kept there before."""
    row = {
        "digest": digest,
        "profile_name": kept.profile.name,
        "profile_version": kept.profile.version,
        "file_name": kept.file_name,
        "linked": False,
        "listing_id": kept.listing_id,
        "keep_time": kept.time,
    }
    return connection.execute(_INSERT_KEPT, row).rowcount > 0


def list_unlinked(connection: Connection) -> list[tuple[str, str, str]]:
    """Returns (digest, profile name, file name) of kept images whose readable name is not made yet."""
    query = select(kept_images.c.digest, kept_images.c.profile_name, kept_images.c.file_name)
    rows = connection.execute(query.where(kept_images.c.linked.is_(False)))
    return [(row.digest, row.profile_name, row.file_name) for row in rows]


def record_link(connection: Connection, digest: str, profile_name: str) -> None:
    """Writes that a kept image has its readable name."""
    connection.execute(_MARK_LINKED, {"of_digest": digest, "of_name": profile_name})


def list_kept(
    connection: Connection, profile_name: str, *, after: tuple[int, str] = (0, ""), limit: int = 500
) -> list[KeptImage]:
    """Returns kept images by (sequence, profile name), oldest first; an empty name is every profile's."""
    query = (
        select(
            images.c.sequence,
            images.c.digest,
            images.c.compliance,
            func.coalesce(kept_images.c.keep_time, images.c.accept_time).label("time"),
            func.coalesce(func.nullif(listings.c.final_url, ""), images.c.final_url).label(
                "answered"
            ),
            kept_images.c.profile_name,
            kept_images.c.profile_version,
            kept_images.c.file_name,
            kept_images.c.linked,
            listings,
            candidates.c.size_bytes.label("stored_bytes"),
        )
        .join(kept_images, kept_images.c.digest == images.c.digest)
        .join(
            listings,
            # What was kept before the catalogue knew this has the listing that it was first fetched for.
            listings.c.listing_id == func.coalesce(kept_images.c.listing_id, images.c.listing_id),
        )
        .join(candidates, candidates.c.digest == images.c.digest)
        .where(
            (images.c.sequence > after[0])
            | ((images.c.sequence == after[0]) & (kept_images.c.profile_name > after[1]))
        )
        .order_by(images.c.sequence, kept_images.c.profile_name)
        .limit(limit)
    )
    if profile_name:
        query = query.where(kept_images.c.profile_name == profile_name)
    return [
        KeptImage(
            row.sequence,
            row.digest,
            ProfileVersion(row.profile_name, row.profile_version),
            row.file_name,
            listing_of(row),
            row.answered,
            row.stored_bytes,
            row.time,
            row.linked,
            _compliance(row.compliance),
        )
        for row in connection.execute(query)
    ]


def _compliance(text: str | None) -> Compliance | None:
    if text is None:
        return None
    facts = json.loads(text)
    return Compliance(**facts | {"robots_tags": tuple(facts["robots_tags"])})


def mark_seen(
    connection: Connection, profile_name: str, digest: str, fingerprint: Fingerprint
) -> None:
    """Writes that an image counts as seen under a profile's name."""
    row = {
        "profile_name": profile_name,
        "digest": digest,
        "hash64": fingerprint.hex,
        "hash256": fingerprint.hash256,
        "flat": fingerprint.flat,
    }
    connection.execute(insert(seen_images).values(row).on_conflict_do_nothing())


def iterate_kept_fingerprints(connection: Connection) -> Iterator[tuple[str, Fingerprint]]:
    """Yields (digest, fingerprint) of every image in the store, in the order of accepting."""
    query = select(candidates).join(images).order_by(images.c.sequence)
    for row in connection.execute(query):
        yield row.digest, Fingerprint(int(row.hash64, 16), row.hash256, row.flat)


def iterate_seen_fingerprints(connection: Connection) -> Iterator[tuple[str, str, Fingerprint]]:
    """Yields (profile name, digest, fingerprint) of every image that is marked as seen."""
    for row in connection.execute(select(seen_images)):
        fingerprint = Fingerprint(int(row.hash64, 16), row.hash256, row.flat)
        yield row.profile_name, row.digest, fingerprint
