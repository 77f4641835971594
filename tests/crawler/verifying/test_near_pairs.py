from __future__ import annotations

import numpy as np
import pytest

from services.crawler.seen.duplicate_index import MAX_DISTANCE_256
from services.crawler.seen.near_hashes import MAX_DISTANCE_64
from services.crawler.verifying import near_pairs as module
from services.crawler.verifying.near_pairs import HashRows, near_pairs


def rows_of(found):
    """Out of (64 bits, 32 bytes) each."""
    return HashRows(
        np.array([one[0] for one in found], dtype=np.uint64),
        np.frombuffer(b"".join(one[1] for one in found), dtype=np.uint64).reshape(-1, 4),
    )


def hashes(rng, count):
    return [(int.from_bytes(rng.bytes(8)), rng.bytes(32)) for _ in range(count)]


def moved(one, rng, bits64, bits256):
    """A hash that differs from another in so many bits."""
    hash64, hash256 = one
    for place in rng.choice(64, bits64, replace=False):
        hash64 ^= 1 << int(place)
    number = int.from_bytes(hash256)
    for place in rng.choice(256, bits256, replace=False):
        number ^= 1 << int(place)
    return hash64, number.to_bytes(32)


def brute_force(stored, asked, *, earlier):
    """The definition, in Python's own integers."""
    found = {}
    for place, (asked64, asked256) in enumerate(asked):
        for there, (hash64, hash256) in enumerate(stored[:place] if earlier else stored):
            near64 = (hash64 ^ asked64).bit_count()
            near256 = (int.from_bytes(hash256) ^ int.from_bytes(asked256)).bit_count()
            if near64 <= MAX_DISTANCE_64 and near256 <= MAX_DISTANCE_256:
                found[place, there] = (near64, near256)
    return found


def planted(rng):
    """Random hashes with neighbours at every distance about the bounds, in any place, and some that are the same."""
    rows = hashes(rng, 60)
    for bits64 in range(MAX_DISTANCE_64 + 3):
        for bits256 in (0, MAX_DISTANCE_256, MAX_DISTANCE_256 + 1):
            rows.append(moved(rows[int(rng.integers(60))], rng, bits64, bits256))
    order = rng.permutation(len(rows))
    return [rows[place] for place in order] + rows[:3]


@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_every_pair_is_found_and_no_other(seed, earlier):
    """As comparing each with each finds them, with both bounds inclusive."""
    rng = np.random.default_rng(seed)
    stored = planted(rng)
    asked = stored if earlier else [*planted(rng), *(moved(one, rng, 4, 30) for one in stored)]
    expected = brute_force(stored, asked, earlier=earlier)
    assert near_pairs(rows_of(stored), rows_of(asked), earlier=earlier) == expected
    assert len(expected) > 20


def test_all_bits_of_a_band_alone():
    """Eight bits that differ in one place of the hash are found through the rest of it."""
    rows = [(0, bytes(32)), *((0xFF << place, bytes(32)) for place in range(57))]
    found = near_pairs(rows_of(rows[:1]), rows_of(rows[1:]))
    assert found == {(place, 0): (8, 0) for place in range(57)}


@pytest.mark.parametrize("pairs", [1, 7, 100])
def test_pairs_are_compared_some_at_a_time(monkeypatch, pairs):
    """How many at a time, which bounds memory, changes nothing: not even where all have one hash."""
    rng = np.random.default_rng(5)
    rows = [(17, hash256) for _, hash256 in hashes(rng, 12)] + planted(rng)[:30]
    rows += [(17, rows[0][1])] * 3
    monkeypatch.setattr(module, "_PAIRS", pairs)
    found = near_pairs(rows_of(rows), rows_of(rows), earlier=True)
    assert found == brute_force(rows, rows, earlier=True)


def test_nothing_is_near_nothing():
    """Empty on either side."""
    none, some = rows_of([]), rows_of([(0, bytes(32))])
    assert near_pairs(none, some) == near_pairs(some, none) == near_pairs(none, none) == {}
