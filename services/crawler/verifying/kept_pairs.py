"""No kept image is a duplicate of one that was kept before it and not replaced: the order of accepting, replayed."""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, Table, literal, select, union_all

from services.crawler.catalogue.schema import (
    candidates,
    distinct_pairs,
    images,
    purged_images,
    replaced_images,
)
from services.crawler.seen.chain import chain_of
from services.crawler.verifying.near_pairs import HashRows, near_pairs
from services.crawler.verifying.problem import Problem, ProblemKind

_HASH64 = re.compile(r"[0-9a-f]{16}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

_NAMES = ("hash64", "hash256", "mirrored64", "mirrored256", "flat")


def _accepted(table: Table, by: ColumnElement[str]) -> Select[Any]:
    columns = (table.c.sequence, table.c.digest, table.c.accept_time.label("time"), by.label("by"))
    return select(*columns, *(candidates.c[name] for name in _NAMES)).join(
        candidates, candidates.c.digest == table.c.digest
    )


# What a better copy replaced was kept in its time, and still counts.
_KEPT = union_all(
    _accepted(images, literal("")), _accepted(replaced_images, replaced_images.c.replaced_by_digest)
).order_by("sequence")
# Their mirror images are not known any more.
_PURGED = select(
    purged_images.c.digest,
    purged_images.c.purge_time.label("time"),
    purged_images.c.hash64,
    purged_images.c.hash256,
    purged_images.c.hash64.label("mirrored64"),
    purged_images.c.hash256.label("mirrored256"),
    purged_images.c.flat,
)


@dataclass
class _Hashes:
    """Perceptual hashes one after the other, 40 bytes each."""

    bits64: array[int] = field(default_factory=lambda: array("Q"))
    bits256: bytearray = field(default_factory=bytearray)

    def add(self, hash64: str, hash256: bytes) -> None:
        self.bits64.append(int(hash64, 16))
        self.bits256 += hash256

    def rows(self) -> HashRows:
        return HashRows(
            np.frombuffer(self.bits64, dtype=np.uint64),
            np.frombuffer(self.bits256, dtype=np.uint64).reshape(-1, 4),
        )


@dataclass
class _Pictures:
    """Images that are not flat, in their order.

    Attributes:
        digests: 32 bytes each, one after the other.
        times: When they were accepted, or purged.
        upright: Their perceptual hashes.
        mirrored: Those of their mirror images.
    """

    digests: bytearray = field(default_factory=bytearray)
    times: array[float] = field(default_factory=lambda: array("d"))
    upright: _Hashes = field(default_factory=_Hashes)
    mirrored: _Hashes = field(default_factory=_Hashes)

    def add(self, row: Any) -> None:
        self.digests += bytes.fromhex(row.digest)
        self.times.append(row.time)
        self.upright.add(row.hash64, row.hash256)
        self.mirrored.add(row.mirrored64, row.mirrored256)

    def digest(self, place: int) -> str:
        return self.digests[32 * place : 32 * place + 32].hex()


class KeptPairs:
    """Finds kept images that are near one that was kept before, or purged: as they are, or mirrored.

    It is the rule that accepts go by, with every image at its place in their order; flat images are near nothing. A
    better copy may be near those in whose place it is, and an image near those that a person called distinct from it,
    or from what came into their places.
    How the liked images stand to what is kept cannot be told: a photo may be liked after its like was kept.
    """

    def __init__(self) -> None:
        self._kept, self._purged = _Pictures(), _Pictures()
        self._following: dict[str, str] = {}
        self._distinct: set[tuple[str, str]] = set()

    def read(self, connection: Connection) -> Iterator[Problem]:
        """Reads all of them, 120 bytes each; yields those that cannot be read."""
        for query, pictures in ((_KEPT, self._kept), (_PURGED, self._purged)):
            for row in connection.execute(query):
                if not _is_readable(row):
                    message = "a perceptual hash in its row cannot be read"
                    yield Problem(ProblemKind.ROW_BROKEN, message, digest=row.digest)
                elif not row.flat:
                    pictures.add(row)
        followed = select(replaced_images.c.digest, replaced_images.c.replaced_by_digest)
        self._following = {
            row.digest: row.replaced_by_digest for row in connection.execute(followed)
        }
        distinct = select(distinct_pairs.c.first_digest, distinct_pairs.c.second_digest)
        self._distinct = {
            (row.first_digest, row.second_digest) for row in connection.execute(distinct)
        }

    def check(self) -> Iterator[Problem]:
        """Compares what was read; that takes long, and needs no transaction."""
        kept = self._kept
        before = kept.upright.rows()
        pairs = near_pairs(before, before, earlier=True)
        pairs |= near_pairs(before, kept.mirrored.rows(), earlier=True)
        for (later, earlier), distances in sorted(pairs.items()):
            digest, other = kept.digest(later), kept.digest(earlier)
            yield from self._problems(digest, other, distances, "was kept before it")
        for digest, other, distances in _near_purged(kept, self._purged):
            yield from self._problems(digest, other, distances, "was purged")

    def _problems(
        self, digest: str, other: str, distances: tuple[int, int], what: str
    ) -> Iterator[Problem]:
        if not self._are_well(digest, other):
            yield _problem(digest, other, distances, what)

    def _are_well(self, one: str, other: str) -> bool:
        """Whether the same image is in the place of both, or what came into their places was called distinct."""
        chain, others = (chain_of(digest, self._following) for digest in (one, other))
        if chain[-1] == others[-1]:
            return True
        return any(
            (min(pair), max(pair)) in self._distinct for pair in itertools.product(chain, others)
        )


def _near_purged(kept: _Pictures, purged: _Pictures) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """(what was kept, what was purged, distances) of each pair."""
    gone = purged.upright.rows()
    pairs = near_pairs(gone, kept.upright.rows())
    for (place, other), distances in near_pairs(gone, kept.mirrored.rows()).items():
        # The hashes of a mirror image are not quite the mirror image of the hashes, so that it matters which of the two
        # came first: that is certain only of what came after the purge.
        if kept.times[place] > purged.times[other]:
            pairs[place, other] = distances
    for (place, other), distances in sorted(pairs.items()):
        yield kept.digest(place), purged.digest(other), distances


def _is_readable(row: Any) -> bool:
    texts = (row.hash64, row.mirrored64)
    return (
        _DIGEST.fullmatch(row.digest) is not None
        and all(_HASH64.fullmatch(text) for text in texts)
        and all(len(bits) == 32 for bits in (row.hash256, row.mirrored256))
    )


def _problem(digest: str, other: str, distances: tuple[int, int], what: str) -> Problem:
    message = (
        f"it is a duplicate of {other[:12]}, which {what}: perceptual distance "
        f"{distances[0]} of 64 and {distances[1]} of 256 bits"
    )
    return Problem(ProblemKind.DUPLICATE_KEPT, message, digest=digest)
