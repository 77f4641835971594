"""An index of perceptual hashes that answers: is this picture, or its mirror image, here already?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.seen.near_hashes import (
    MAX_DISTANCE_64,
    Hashes,
    NearHashes,
    Places,
    distances,
)

# Inclusive. The 64-bit hash finds, the 256-bit one confirms: among millions the first alone matches by chance.
MAX_DISTANCE_256 = 60

_FIRST_CAPACITY = 1_024

# An image's digest, 64 hex digits, and its fingerprint.
Entry = tuple[str, Fingerprint]


@dataclass(frozen=True, slots=True)
class Match:
    """An image of the index that is near.

    Attributes:
        digest: Which image.
        distance64: Bits of 64 that differ, 0 to 8.
        distance256: Bits of 256 that differ, 0 to 60.
        mirrored: Whether it is the mirror image that is near.
    """

    digest: str
    distance64: int
    distance256: int
    mirrored: bool = False


class Rows(Protocol):
    """What confirms a find, by its place in the index."""

    def __len__(self) -> int:
        """How many there are."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds rows behind the last one; none is flat."""

    def read(self, places: Places) -> tuple[Hashes, list[str]]:
        """The 256-bit hashes at these places, (n, 4), and the digests."""


class MemoryRows:
    """Rows in memory: 32 bytes each beside the digest."""

    def __init__(self) -> None:
        self._digests: list[str] = []
        self._hashes256 = np.empty((_FIRST_CAPACITY, 4), dtype=np.uint64)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._digests)

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds rows behind the last one; none is flat."""
        for digest, fingerprint in entries:
            count = len(self._digests)
            if count == len(self._hashes256):
                self._hashes256 = np.concatenate([self._hashes256, np.empty_like(self._hashes256)])
            self._hashes256[count] = _words(fingerprint)
            self._digests.append(digest)

    def read(self, places: Places) -> tuple[Hashes, list[str]]:
        """The 256-bit hashes at these places, (n, 4), and the digests."""
        return self._hashes256[places], [self._digests[place] for place in places]


class DuplicateIndex:
    """Fingerprints: the 64-bit hashes in memory, what confirms them wherever the rows are.

    Flat images are near each other without being alike: they are left out, and match nothing. One thread may add while
    others look up.
    """

    def __init__(self, rows: Rows | None = None, hashes64: Hashes | None = None) -> None:
        """Takes rows that are there already, with their 64-bit hashes and room behind them; else it is in memory."""
        self._rows = MemoryRows() if rows is None else rows
        self._near = NearHashes(hashes64, len(self._rows))
        self.settle()

    def __len__(self) -> int:
        """How many fingerprints can match."""
        return len(self._near)

    def add(self, digest: str, fingerprint: Fingerprint) -> None:
        """Adds an image; a flat one is left out."""
        self.extend([(digest, fingerprint)])
        self.settle()

    def extend(self, entries: Sequence[Entry]) -> None:
        """Adds images; flat ones are left out. For many, `settle` is to follow when all are there."""
        entries = [entry for entry in entries if not entry[1].flat]
        if not entries:
            return
        hashes = np.array([fingerprint.hash64 for _, fingerprint in entries], dtype=np.uint64)
        # Whoever finds a hash finds its row.
        self._rows.append(entries)
        self._near.extend(hashes)

    def without(self, digests: Collection[str]) -> DuplicateIndex:
        """An index of the others, in memory and in the same order."""
        hashes256, found = self._rows.read(np.arange(len(self)))
        rows = zip(found, self._near.hashes.tolist(), hashes256, strict=True)
        left = DuplicateIndex()
        left.extend(
            [
                (digest, Fingerprint(hash64, words.tobytes(), flat=False))
                for digest, hash64, words in rows
                if digest not in digests
            ]
        )
        return left

    def settle(self) -> None:
        """Makes lookups quick again if many images came since; seconds for ten million."""
        if self._near.wants_tables:
            self.tabulate()

    def tabulate(self) -> None:
        """Makes the tables of all images anew."""
        self._near.tabulate()

    def nearest(self, fingerprint: Fingerprint, mirrored: Fingerprint) -> Match | None:
        """The first of `matches`; None if there is none."""
        return next(iter(self.matches(fingerprint, mirrored)), None)

    def matches(self, fingerprint: Fingerprint, mirrored: Fingerprint) -> list[Match]:
        """All that are near in both hashes: by 256-bit distance, then 64-bit, then the earliest; each once.

        Args:
            fingerprint: Of the picture that is looked up.
            mirrored: Of its mirror image; a match of either counts.
        """
        if fingerprint.flat or not len(self):
            return []
        found: dict[int, Match] = {}
        sides = ((fingerprint, False), (mirrored, True))
        ranked = [match for side, turned in sides for match in self._confirmed(side, turned=turned)]
        for distance256, distance64, place, turned, digest in sorted(ranked):
            found.setdefault(place, Match(digest, distance64, distance256, turned))
        return list(found.values())

    def _confirmed(
        self, query: Fingerprint, *, turned: bool
    ) -> list[tuple[int, int, int, bool, str]]:
        """(256-bit distance, 64-bit distance, place, `turned`, digest) of all that are near in both."""
        places, distances64 = self._near.near(query.hash64)
        if not places.size:
            return []
        hashes256, digests = self._rows.read(places)
        distances256 = distances(hashes256, _words(query)).sum(axis=1)
        rows = zip(
            distances256.tolist(), distances64.tolist(), places.tolist(), digests, strict=True
        )
        return [
            (distance256, distance64, place, turned, digest)
            for distance256, distance64, place, digest in rows
            if distance256 <= MAX_DISTANCE_256
        ]


def is_near(fingerprint: Fingerprint, decoded: DecodedCandidate) -> bool:
    """Whether an index of one fingerprint finds a picture or its mirror image."""
    if fingerprint.flat or decoded.fingerprint.flat:
        return False
    return any(are_near(fingerprint, side) for side in (decoded.fingerprint, decoded.mirrored))


def are_near(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two fingerprints are near in both hashes, whatever they say of flatness."""
    if (one.hash64 ^ other.hash64).bit_count() > MAX_DISTANCE_64:
        return False
    words, others = (int.from_bytes(each.hash256, "big") for each in (one, other))
    return (words ^ others).bit_count() <= MAX_DISTANCE_256


def _words(fingerprint: Fingerprint) -> Hashes:
    return np.frombuffer(fingerprint.hash256, dtype=np.uint64)
