"""All pairs of perceptual hashes that are near each other, among millions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.crawler.seen.duplicate_index import MAX_DISTANCE_256
from services.crawler.seen.near_hashes import MAX_DISTANCE_64

_Places: TypeAlias = npt.NDArray[np.int64]

# Two hashes that differ by 8 bits at most differ by 2 at most in one of three bands (multi-index hashing, M. Norouzi,
# A. Punjani, D. Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012). Lowest bit, and bits.
_BANDS = ((0, 21), (21, 21), (42, 22))
_BAND_DISTANCE = MAX_DISTANCE_64 // len(_BANDS)
# Compared at a time: some 200 MB.
_PAIRS = 4_000_000


@dataclass(frozen=True, slots=True)
class HashRows:
    """Perceptual hashes of many images.

    Attributes:
        hashes64: (n,) uint64.
        hashes256: (n, 4) uint64.
    """

    hashes64: npt.NDArray[np.uint64]
    hashes256: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        """How many."""
        return len(self.hashes64)


def near_pairs(
    stored: HashRows, asked: HashRows, *, earlier: bool = False
) -> dict[tuple[int, int], tuple[int, int]]:
    """Finds every pair that is a duplicate by both hashes: (place asked, place stored) to (64-bit, 256-bit distance).

    A million against a million takes 45 s of one core where few are near, and 0.3 GB (measured).

    Args:
        stored: What was there.
        asked: What is looked up.
        earlier: Only pairs in which the place stored is before the place asked.
    """
    found: dict[tuple[int, int], tuple[int, int]] = {}
    if not len(stored) or not len(asked):
        return found
    for low, bits in _BANDS:
        keys, wanted = (_band(rows.hashes64, low, bits) for rows in (stored, asked))
        order = np.argsort(keys, kind="stable")
        starts = np.zeros((1 << bits) + 1, dtype=np.int64)
        np.cumsum(np.bincount(keys, minlength=1 << bits), out=starts[1:])
        for mask in _masks(bits):
            for asking, there in _pairs(starts, order, wanted ^ mask):
                _confirm(found, stored, asked, _ordered(asking, there, earlier=earlier))
    return found


def _band(hashes: npt.NDArray[np.uint64], low: int, bits: int) -> _Places:
    return ((hashes >> np.uint64(low)) & np.uint64((1 << bits) - 1)).astype(np.int64)


def _masks(bits: int) -> Iterator[int]:
    """Every way in which a band of so many bits may differ."""
    for count in range(_BAND_DISTANCE + 1):
        for places in combinations(range(bits), count):
            yield sum(1 << place for place in places)


def _pairs(starts: _Places, order: _Places, wanted: _Places) -> Iterator[tuple[_Places, _Places]]:
    """Places asked and stored that have the same key, some millions at a time."""
    first, counts = starts[wanted], starts[wanted + 1] - starts[wanted]
    asking = np.flatnonzero(counts)
    counts, first = counts[asking], first[asking]
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(asking):
        before = int(ends[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(ends, before + _PAIRS, side="right")), begin + 1)
        part = slice(begin, end)
        # 0, 1, 2 … anew for each place that asks.
        steps = np.arange(int(ends[end - 1]) - before) - np.repeat(
            ends[part] - counts[part] - before, counts[part]
        )
        yield (
            np.repeat(asking[part], counts[part]),
            order[np.repeat(first[part], counts[part]) + steps],
        )
        begin = end


def _ordered(asking: _Places, there: _Places, *, earlier: bool) -> tuple[_Places, _Places]:
    if not earlier:
        return asking, there
    is_earlier = there < asking
    return asking[is_earlier], there[is_earlier]


def _confirm(
    found: dict[tuple[int, int], tuple[int, int]],
    stored: HashRows,
    asked: HashRows,
    pairs: tuple[_Places, _Places],
) -> None:
    asking, there = pairs
    distances64 = np.bitwise_count(stored.hashes64[there] ^ asked.hashes64[asking])
    near = np.flatnonzero(distances64 <= MAX_DISTANCE_64)
    asking, there, distances64 = asking[near], there[near], distances64[near]
    apart = stored.hashes256[there] ^ asked.hashes256[asking]
    distances256 = np.bitwise_count(apart).sum(axis=1, dtype=np.int64)
    for place in np.flatnonzero(distances256 <= MAX_DISTANCE_256).tolist():
        pair = (int(asking[place]), int(there[place]))
        found[pair] = (int(distances64[place]), int(distances256[place]))
