"""Writes which images are kept and which count as seen, and reads their fingerprints."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from sqlalchemy import Connection, select, update

from services.crawler.candidate import Fingerprint
from services.crawler.catalogue.accept_order import take_accept_lock
from services.crawler.catalogue.frontier import Outcome
from services.crawler.catalogue.many import Lookup, Many, types_of
from services.crawler.catalogue.schema import candidates, images, kept_images, seen_images
from services.crawler.catalogue.text_columns import String
from services.crawler.catalogue.upsert import Upsert
from services.crawler.judgement import ProfileVersion

_INSERT_IMAGES = Many(
    types_of(images, ("digest", "listing_id", "final_url", "accept_time", "compliance")),
    lambda given: (
        given.into(images).on_conflict_do_nothing().returning(images.c.digest, images.c.sequence)
    ),
)
_INSERT_KEPT = Many(
    types_of(
        kept_images,
        (
            *("digest", "profile_name", "profile_version", "file_name"),
            *("linked", "listing_id", "keep_time"),
        ),
    ),
    lambda given: (
        given.into(kept_images)
        .on_conflict_do_nothing()
        .returning(kept_images.c.digest, kept_images.c.profile_name)
    ),
)
_INSERT_SEEN = Upsert(lambda insert: insert(seen_images).on_conflict_do_nothing())
# A server would send millions at once.
_READ_AT_ONCE = 10_000
_FINGERPRINT = (candidates.c.digest, candidates.c.hash64, candidates.c.hash256, candidates.c.flat)
_MARK_LINKED = Many(
    {"of_digest": String(), "of_name": String(), "of_file": String()},
    lambda given: (
        update(kept_images)
        .where(
            kept_images.c.digest == given["of_digest"],
            kept_images.c.profile_name == given["of_name"],
            kept_images.c.file_name == given["of_file"],
        )
        .values(linked=True)
    ),
)
_FIND_NAMES = Lookup(
    lambda among: select(
        kept_images.c.digest, kept_images.c.profile_name, kept_images.c.file_name
    ).where(among(kept_images.c.digest, "digests"))
)

# An image's digest, and its readable name: the profile's, and the file's.
NameOf: TypeAlias = tuple[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image whose bytes are in the store.

    Attributes:
        digest: SHA-256 of its bytes, 64 hex digits.
        listing_id: The listing that it was fetched for.
        outcome: What became of fetching it.
        time: When it was accepted, seconds since 1970; None is now.
    """

    digest: str
    listing_id: int
    outcome: Outcome
    time: float | None = None


def record_images(
    connection: Connection, stored: Sequence[StoredImage], *, now: float
) -> dict[str, int]:
    """Writes that images are in the store, in this order. Returns the sequences of those that were not, by digest."""
    rows = [
        {
            "digest": one.digest,
            "listing_id": one.listing_id,
            "final_url": one.outcome.final_url,
            "accept_time": now if one.time is None else one.time,
            "compliance": _compliance_text(one.outcome),
        }
        for one in stored
    ]
    if not rows:
        return {}
    new = _INSERT_IMAGES.run(connection, rows)
    return {row.digest: row.sequence for row in new}


@dataclass(frozen=True, slots=True)
class Keep:
    """An image is kept under a profile's name.

    Attributes:
        digest: The image.
        profile: The version that accepted it.
        listing_id: The listing that it was accepted for.
        file_name: Its readable name.
        time: When, seconds since 1970.
        is_removed: Whether the readable name was made before, elsewhere, and removed: it is not made again.
    """

    digest: str
    profile: ProfileVersion
    listing_id: int
    file_name: str
    time: float
    is_removed: bool = False


def keep(connection: Connection, keeps: Sequence[Keep]) -> set[tuple[str, str]]:
    """Keeps stored images under profiles' names. Returns (digest, profile name) of those that were not kept before."""
    rows = [
        {
            "digest": one.digest,
            "profile_name": one.profile.name,
            "profile_version": one.profile.version,
            "file_name": one.file_name,
            "linked": one.is_removed,
            "listing_id": one.listing_id,
            "keep_time": one.time,
        }
        for one in keeps
    ]
    if not rows:
        return set()
    new = _INSERT_KEPT.run(connection, rows)
    return {(row.digest, row.profile_name) for row in new}


def list_unlinked(connection: Connection) -> list[NameOf]:
    """Returns the readable names of kept images that are not made yet."""
    query = select(kept_images.c.digest, kept_images.c.profile_name, kept_images.c.file_name)
    rows = connection.execute(query.where(kept_images.c.linked.is_(False)))
    return [(row.digest, (row.profile_name, row.file_name)) for row in rows]


def record_links(connection: Connection, links: Sequence[NameOf]) -> list[NameOf]:
    """Writes that kept images have their readable names. Returns those of images that are not kept any more."""
    rows = [
        {"of_digest": digest, "of_name": profile_name, "of_file": file_name}
        for digest, (profile_name, file_name) in sorted(set(links))
    ]
    if not rows or _MARK_LINKED.run(connection, rows).rowcount == len(rows):
        return []
    return sorted(set(links) - find_names(connection, [row["of_digest"] for row in rows]))


def find_names(connection: Connection, digests: Collection[str]) -> set[NameOf]:
    """Returns the readable names under which these images are kept, made or not."""
    found = _FIND_NAMES.run(connection, digests=list(digests))
    return {(row.digest, (row.profile_name, row.file_name)) for row in found}


def is_named(connection: Connection, digest: str, name: tuple[str, str]) -> bool:
    """Whether an image is kept under a readable name, made or not."""
    return (digest, name) in find_names(connection, [digest])


def mark_seen(
    connection: Connection, profile_name: str, digest: str, fingerprint: Fingerprint
) -> None:
    """Writes that an image counts as seen under a profile's name: from now on, in the order of accepts."""
    take_accept_lock(connection)
    row = {
        "profile_name": profile_name,
        "digest": digest,
        "hash64": fingerprint.hex,
        "hash256": fingerprint.hash256,
        "flat": fingerprint.flat,
    }
    connection.execute(_INSERT_SEEN.on(connection), row)


def list_kept_fingerprints(
    connection: Connection, *, after_sequence: int, limit: int
) -> list[tuple[int, str, Fingerprint]]:
    """Returns (sequence, digest, fingerprint) of images in the store after one of them, in the order of accepting."""
    query = (
        select(images.c.sequence, *_FINGERPRINT)
        .join(candidates, candidates.c.digest == images.c.digest)
        .where(images.c.sequence > after_sequence)
        .order_by(images.c.sequence)
        .limit(limit)
    )
    return [
        (sequence, digest, Fingerprint(int(hash64, 16), hash256, flat))
        for sequence, digest, hash64, hash256, flat in connection.execute(query)
    ]


def find_sequences(connection: Connection, digests: Sequence[str]) -> dict[str, int | None]:
    """Returns the places in the order of accepting of those of these images that are in the store; by digest.

    None for one that had another place before it was replaced, and kept again.
    """
    columns = (images.c.digest, images.c.sequence, images.c.kept_again)
    query = select(*columns).where(images.c.digest.in_(digests))
    return {
        row.digest: None if row.kept_again else row.sequence for row in connection.execute(query)
    }


def iterate_seen_fingerprints(connection: Connection) -> Iterator[tuple[str, str, Fingerprint]]:
    """Yields (profile name, digest, fingerprint) of every image that is marked as seen."""
    query = select(seen_images).execution_options(yield_per=_READ_AT_ONCE)
    for row in connection.execute(query):
        fingerprint = Fingerprint(int(row.hash64, 16), row.hash256, row.flat)
        yield row.profile_name, row.digest, fingerprint


def _compliance_text(outcome: Outcome) -> str | None:
    return json.dumps(asdict(outcome.compliance)) if outcome.compliance else None
