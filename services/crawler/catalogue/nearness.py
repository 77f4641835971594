"""Whether two images that are known are near each other, by the rule of duplicates."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product

from sqlalchemy import Connection, null, select, union_all

from services.crawler.candidate import Fingerprint
from services.crawler.catalogue.replacements import find_predecessors
from services.crawler.catalogue.schema import candidates, purged_images, seen_images
from services.crawler.seen.duplicate_index import are_near


@dataclass(frozen=True, slots=True)
class _Hashes:
    """Of an image, and of its mirror image unless only the image is remembered."""

    upright: Fingerprint
    mirrored: Fingerprint | None


def find_near(connection: Connection, one: str, other: str) -> bool | None:
    """Whether two images are near, as they are or mirrored; or what one of them has replaced, for which it stands now.

    None if the hashes of one of them are not known. Flat images are near nothing.
    """
    group, others = (
        list(_hashes(connection, _with_replaced(connection, each))) for each in (one, other)
    )
    if not group or not others:
        return None
    return any(_are_near(*pair) for pair in product(group, others))


def _with_replaced(connection: Connection, digest: str) -> list[str]:
    return [digest, *(each.digest for each in find_predecessors(connection, digest))]


def _hashes(connection: Connection, digests: Collection[str]) -> Iterator[_Hashes]:
    turned = (candidates.c.mirrored64, candidates.c.mirrored256)
    queries = [
        select(table.c.hash64, table.c.hash256, table.c.flat, *mirrored).where(
            table.c.digest.in_(digests)
        )
        for table, mirrored in (
            (candidates, turned),
            *((table, (null(), null())) for table in (purged_images, seen_images)),
        )
    ]
    for hash64, hash256, flat, mirrored64, mirrored256 in connection.execute(union_all(*queries)):
        upright = Fingerprint(int(hash64, 16), bytes(hash256), bool(flat))
        mirrored = None
        if mirrored64 is not None:
            mirrored = Fingerprint(int(mirrored64, 16), bytes(mirrored256), bool(flat))
        yield _Hashes(upright, mirrored)


def _are_near(one: _Hashes, other: _Hashes) -> bool:
    if one.upright.flat or other.upright.flat:
        return False
    # Which of the two comes first is not asked: the later one's mirror image is looked up.
    pairs = (
        (one.upright, other.upright),
        (one.upright, other.mirrored),
        (other.upright, one.mirrored),
    )
    return any(side is not None and are_near(upright, side) for upright, side in pairs)
