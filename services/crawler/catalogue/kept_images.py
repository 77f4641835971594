"""Kept images as the catalogue knows them: listed, or found by their digest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from services.crawler.catalogue.digest_prefixes import AmbiguousDigest, between
from services.crawler.catalogue.frontier import listing_of
from services.crawler.catalogue.schema import candidates, images, kept_images, listings
from services.crawler.compliance import Compliance
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.servicekit.errors import NotFound


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


_SELECT_KEPT = (
    select(
        images.c.sequence,
        images.c.digest,
        images.c.compliance,
        func.coalesce(kept_images.c.keep_time, images.c.accept_time).label("time"),
        func.coalesce(func.nullif(listings.c.final_url, ""), images.c.final_url).label("answered"),
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
    .order_by(images.c.sequence, kept_images.c.profile_name)
)
_KEPT_DIGESTS = select(kept_images.c.digest)


def list_kept(
    connection: Connection, profile_name: str, *, after: tuple[int, str] = (0, ""), limit: int = 500
) -> list[KeptImage]:
    """Returns kept images by (sequence, profile name), oldest first; an empty name is every profile's."""
    query = _SELECT_KEPT.where(
        (images.c.sequence > after[0])
        | ((images.c.sequence == after[0]) & (kept_images.c.profile_name > after[1]))
    ).limit(limit)
    if profile_name:
        query = query.where(kept_images.c.profile_name == profile_name)
    return [_kept_of(row) for row in connection.execute(query)]


def before_newest(connection: Connection, profile_name: str, count: int) -> tuple[int, str]:
    """Returns the (sequence, profile name) after which `list_kept` has the newest `count` images, 1 or more.

    Newest by the order in which images came into the store. (0, "") if there are no more.
    """
    query = (
        select(images.c.sequence, kept_images.c.profile_name)
        .join(kept_images, kept_images.c.digest == images.c.digest)
        .order_by(images.c.sequence.desc(), kept_images.c.profile_name.desc())
        .offset(count)
        .limit(1)
    )
    if profile_name:
        query = query.where(kept_images.c.profile_name == profile_name)
    row = connection.execute(query).one_or_none()
    return (0, "") if row is None else (row.sequence, row.profile_name)


def get_kept(connection: Connection, prefix: str) -> list[KeptImage]:
    """Returns the kept image whose digest begins so, once for each profile that keeps it, by the profile's name.

    Raises:
        NotFound: There is none.
        AmbiguousDigest: There are several.
    """
    first, behind = between(prefix)
    query = select(images.c.digest).where(
        images.c.digest >= first,
        images.c.digest < behind,
        images.c.digest.in_(_KEPT_DIGESTS),
    )
    digests = connection.scalars(query.limit(2)).all()
    if not digests:
        kind = "kept image"
        raise NotFound(kind, prefix)
    if len(digests) > 1:
        raise AmbiguousDigest(prefix)
    rows = connection.execute(_SELECT_KEPT.where(images.c.digest == digests[0]))
    return [_kept_of(row) for row in rows]


def _kept_of(row: Any) -> KeptImage:
    return KeptImage(
        row.sequence,
        row.digest,
        ProfileVersion(row.profile_name, row.profile_version),
        row.file_name,
        listing_of(row),
        row.answered,
        row.stored_bytes,
        row.time,
        row.linked,
        compliance_of(row.compliance),
    )


def compliance_of(text: str | None) -> Compliance | None:
    """Reads the compliance record of an image; a local file has none."""
    if text is None:
        return None
    facts = json.loads(text)
    return Compliance(**facts | {"robots_tags": tuple(facts["robots_tags"])})
