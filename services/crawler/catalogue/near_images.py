"""What the catalogue knows of the images that a candidate is near."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select

from services.crawler.catalogue.distinct_pairs import are_apart, find_distinct, find_distinct_of
from services.crawler.catalogue.replacements import find_successors
from services.crawler.catalogue.schema import candidates, images, kept_images
from services.crawler.seen.better_copy import CopyFacts, NearImage, NearImages, first_of_each
from services.crawler.seen.chain import chain_of
from services.crawler.seen.seen_images import Sighting

# Built once, with the values bound: building a statement costs six times what running it does (measured).
_DIGESTS: BindParameter[str] = bindparam("digests", expanding=True)
_FACTS = select(
    candidates.c.digest,
    candidates.c.width_px,
    candidates.c.height_px,
    candidates.c.watermark_probability,
    candidates.c.detector_id,
).where(candidates.c.digest.in_(_DIGESTS))
_KEPT_FOR = (
    select(images.c.digest, kept_images.c.profile_name)
    .join(kept_images, kept_images.c.digest == images.c.digest)
    .where(images.c.digest.in_(_DIGESTS))
)


def read_near(
    connection: Connection, digest: str, found: Sequence[Sighting], *, with_facts: bool = True
) -> NearImages:
    """Returns what is known of what a candidate is near; what a person called distinct from it is left out.

    What was replaced stands for what came into its place: a word about one of those holds for it as well. So does
    what a candidate itself replaced once say nothing against it. That its own bytes are marked as seen is left: no word
    about two images is one about that.

    Args:
        connection: Under the lock of accepts it is what holds to the end of the transaction.
        digest: Of the candidate; empty for an image that was given as pixels.
        found: What memory has of it.
        with_facts: Whether it may be better; without, nothing that is near counts as accepted, and may be replaced.
    """
    sightings = first_of_each(found)
    distinct = find_distinct(connection, digest) if sightings and digest else set()
    left = _left(connection, sightings, digest, distinct) if distinct else sightings
    if not left or not with_facts:
        return NearImages(left)
    digests = [one.digest for one in left]
    accepted = tuple(_accepted(connection, digests))
    apart = len(accepted) > 1 and are_apart(connection, [one.digest for one in accepted])
    return NearImages(left, accepted, apart)


def find_contradicted(
    connection: Connection, duplicates: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Returns those of these pairs, of an image and what it was called a duplicate of, that a person calls distinct.

    As `read_near` leaves them out: whoever decides anew does not find the same again. Under the lock of accepts it is
    what holds to the end of the transaction, and what was decided before that may not hold any more.
    """
    said = find_distinct_of(connection, {digest for digest, _ in duplicates})
    doubted = [(digest, other) for digest, other in duplicates if digest in said]
    if not doubted:
        return set()
    following = find_successors(connection, [other for _, other in doubted])
    return {
        (digest, other)
        for digest, other in doubted
        if not _against(said[digest], digest, other).isdisjoint(chain_of(other, following))
    }


def _left(
    connection: Connection, sightings: Sequence[Sighting], digest: str, distinct: AbstractSet[str]
) -> tuple[Sighting, ...]:
    """Those that are neither distinct from it, nor replaced by it or by one that is; directly or by way of another."""
    following = find_successors(connection, [one.digest for one in sightings])
    return tuple(
        one
        for one in sightings
        if _against(distinct, digest, one.digest).isdisjoint(chain_of(one.digest, following))
    )


def _against(distinct: AbstractSet[str], digest: str, other: str) -> AbstractSet[str]:
    """What must not have come into the place of another image for it to count.

    The candidate itself is in its own place: its mark counts until it is replaced by what it is distinct from.
    """
    return distinct if other == digest else distinct | {digest}


def _accepted(connection: Connection, digests: Collection[str]) -> list[NearImage]:
    kept_for = _kept_for(connection, digests)
    ends = _ends(connection, digests)
    known = {"digests": [*{*kept_for, *ends}]}
    facts = {row.digest: _facts_of(row) for row in connection.execute(_FACTS, known)}
    return [
        NearImage(
            digest, facts[digest], kept_for.get(digest, frozenset()), ends.get(digest, digest)
        )
        for digest in digests
        if digest in facts
    ]


def _kept_for(connection: Connection, digests: Collection[str]) -> dict[str, frozenset[str]]:
    names: defaultdict[str, set[str]] = defaultdict(set)
    for digest, profile_name in connection.execute(_KEPT_FOR, {"digests": list(digests)}):
        names[digest].add(profile_name)
    return {digest: frozenset(found) for digest, found in names.items()}


def _ends(connection: Connection, digests: Collection[str]) -> dict[str, str]:
    """By the digest of each image that was replaced: what is in its place now."""
    following = find_successors(connection, digests)
    return {digest: chain_of(digest, following)[-1] for digest in digests if digest in following}


def _facts_of(row: Any) -> CopyFacts:
    return CopyFacts(row.width_px, row.height_px, row.watermark_probability, row.detector_id or "")
