"""Finds 64-bit hashes that differ by a few bits, among millions, without looking at each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

# Inclusive.
MAX_DISTANCE_64 = 8

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]
Distances = npt.NDArray[np.uint8]

# Of hashes within 8 bits, one of three parts differs by 2 bits at most. The 64th bit of a perceptual hash, of the
# mean, is nearly always set: no part has it.
_PARTS = 3
_PART_BITS = 21
_FLIPPED_BITS = 2
# Values of a part that are sorted at a time.
_EIGHTHS = 8
_VALUES = 2**_PART_BITS // _EIGHTHS
_FIRST_CAPACITY = 1_024
# A chunk and its distances stay in the CPU's cache: twice as fast at millions as one pass (measured).
_CHUNK = 32_768
# So many are looked at one by one: 0.4 ms, and tables of 8 MB for each part would not pay.
_WITHOUT_TABLES = 262_144
# Of those in the tables, so many more may wait for new tables.
_WAITING_SHARE = 1 / 16


class NearHashes:
    """Hashes by their place, 0 for the first: 8 bytes each, and 12 more in the tables that many of them have.

    One thread may add and make tables while others look up.
    """

    def __init__(self, hashes: Hashes | None = None, count: int = 0) -> None:
        """Takes an array of which the first `count` are hashes; the rest is room for more."""
        self._hashes = np.empty(_FIRST_CAPACITY, np.uint64) if hashes is None else hashes
        self._count = count
        self._tables: tuple[_Table, ...] = (_NO_TABLE,) * _PARTS

    def __len__(self) -> int:
        """How many hashes there are."""
        return self._count

    @property
    def hashes(self) -> Hashes:
        """All of them, by place."""
        return self._hashes[: self._count]

    @property
    def wants_tables(self) -> bool:
        """Whether so many are in no table that new tables pay."""
        tabled = _tabled(self._tables)
        return self._count - tabled > max(_WITHOUT_TABLES, tabled * _WAITING_SHARE)

    def extend(self, hashes: Hashes) -> None:
        """Adds hashes behind the last one."""
        count = self._count + len(hashes)
        if count > len(self._hashes):
            grown = np.empty(with_room(count), np.uint64)
            grown[: self._count] = self._hashes[: self._count]
            self._hashes = grown
        self._hashes[self._count : count] = hashes
        self._count = count

    def tabulate(self) -> None:
        """Makes the tables anew, of all hashes, one after the other: 3 seconds for ten million."""
        hashes = self.hashes
        for part in range(_PARTS):
            table = _Table.of(hashes, part)
            self._tables = (*self._tables[:part], table, *self._tables[part + 1 :])

    def near(self, hash64: int) -> tuple[Places, Distances]:
        """Places, ascending, and distances of all within 8 bits."""
        tables, count, hashes = self._tables, self._count, self._hashes
        tabled = _tabled(tables)
        scanned = _scan(hashes, np.uint64(hash64), tabled, count)
        if not tabled:
            return scanned
        places = np.concatenate([table.candidates(hash64) for table in tables])
        found = [scanned, _within(hashes, np.uint64(hash64), places)]
        places, first = np.unique(np.concatenate([one for one, _ in found]), return_index=True)
        return places, np.concatenate([distances for _, distances in found])[first]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The places of hashes by one of their parts.

    Attributes:
        count: How many hashes are in it, from the first on.
        shift: Where the part begins, bits from the lowest.
        starts: (2^21 + 1,): where the places of each value of the part begin.
        places: (count,): by value, ascending for each.
    """

    count: int
    shift: int
    starts: npt.NDArray[np.uint32]
    places: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, hashes: Hashes, part: int) -> _Table:
        """Makes the table of one part, an eighth of its values at a time: it takes little memory beside its own."""
        shift = part * _PART_BITS
        starts = np.empty(2**_PART_BITS + 1, np.uint32)
        places = np.empty(len(hashes), np.uint32)
        sizes = _sizes(hashes, shift)
        room = np.empty(sizes.max(), np.uint64)
        done = 0
        for number, size in enumerate(sizes.tolist()):
            rows, low = room[:size], number * _VALUES
            _fill(rows, hashes, shift, number)
            rows.sort()
            values = np.arange(low, low + _VALUES, dtype=np.uint64) << np.uint64(32)
            starts[low : low + _VALUES] = done + np.searchsorted(rows, values)
            # The lower half of each is the place.
            places[done : done + size] = rows
            done += size
        starts[-1] = done
        return cls(len(hashes), shift, starts, places)

    def candidates(self, hash64: int) -> Places:
        """The places of all whose part differs from that of a hash by 2 bits at most."""
        values = _FLIPS ^ ((hash64 >> self.shift) % 2**_PART_BITS)
        starts, ends = (self.starts[values + step].astype(np.intp) for step in (0, 1))
        lengths = ends - starts
        before = np.cumsum(lengths) - lengths
        indices = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
        return np.asarray(self.places[indices], np.intp)


_NO_TABLE = _Table(0, 0, np.zeros(0, np.uint32), np.zeros(0, np.uint32))
_FLIPS = np.array(
    [
        sum(1 << bit for bit in bits)
        for count in range(_FLIPPED_BITS + 1)
        for bits in combinations(range(_PART_BITS), count)
    ]
)


def with_room(count: int) -> int:
    """How long an array of so many hashes is, that more may follow: what nobody writes to takes no memory."""
    return count + count // 4 + _FIRST_CAPACITY


def distances(hashes: Hashes, query: Hashes | np.uint64) -> Distances:
    """How many bits differ, for each element."""
    return np.asarray(np.bitwise_count(hashes ^ query))


def _sizes(hashes: Hashes, shift: int) -> Places:
    """How many hashes have a part among the first eighth of its values, the second, and so on."""
    sizes = np.zeros(_EIGHTHS, np.intp)
    for start in range(0, len(hashes), _CHUNK):
        values = _values(hashes[start : start + _CHUNK], shift)
        eighths = (values // np.uint64(_VALUES)).astype(np.intp)
        sizes += np.bincount(eighths, minlength=_EIGHTHS)
    return sizes


def _fill(rows: Hashes, hashes: Hashes, shift: int, eighth: int) -> None:
    """Writes value and place, as one number, of each hash whose part is in an eighth of its values."""
    done = 0
    for start in range(0, len(hashes), _CHUNK):
        values = _values(hashes[start : start + _CHUNK], shift)
        inside = np.flatnonzero(values // np.uint64(_VALUES) == eighth)
        places = (inside + start).astype(np.uint64)
        rows[done : done + len(inside)] = (values[inside] << np.uint64(32)) | places
        done += len(inside)


def _values(hashes: Hashes, shift: int) -> Hashes:
    """The part of each hash that begins at a bit."""
    return (hashes >> np.uint64(shift)) & np.uint64(2**_PART_BITS - 1)


def _tabled(tables: tuple[_Table, ...]) -> int:
    """How many hashes, from the first on, are in all tables."""
    return min(table.count for table in tables)


def _scan(hashes: Hashes, query: np.uint64, start: int, end: int) -> tuple[Places, Distances]:
    """Looks at each from `start` on, before `end`."""
    if end - start <= _CHUNK:
        return _look(hashes, query, start, end)
    looks = [
        _look(hashes, query, first, min(first + _CHUNK, end)) for first in range(start, end, _CHUNK)
    ]
    places, found = zip(*looks, strict=True)
    return np.concatenate(places), np.concatenate(found)


def _look(hashes: Hashes, query: np.uint64, start: int, end: int) -> tuple[Places, Distances]:
    chunk = distances(hashes[start:end], query)
    near = np.flatnonzero(chunk <= MAX_DISTANCE_64)
    return near + start, chunk[near]


def _within(hashes: Hashes, query: np.uint64, places: Places) -> tuple[Places, Distances]:
    """Of these places, those that are near."""
    found = distances(hashes[places], query)
    near = found <= MAX_DISTANCE_64
    return places[near], found[near]
