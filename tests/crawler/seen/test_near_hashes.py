from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crawler.seen import near_hashes
from services.crawler.seen.near_hashes import NearHashes


def brute_force(hashes: list[int], query: int) -> list[tuple[int, int]]:
    """The definition, in Python's own integers."""
    found = ((place, (one ^ query).bit_count()) for place, one in enumerate(hashes))
    return [(place, distance) for place, distance in found if distance <= 8]


def looked_up(near: NearHashes, query: int) -> list[tuple[int, int]]:
    places, distances = near.near(query)
    return list(zip(places.tolist(), distances.tolist(), strict=True))


def of(hashes: list[int]) -> NearHashes:
    near = NearHashes()
    near.extend(np.array(hashes, dtype=np.uint64))
    return near


# Few bits set, and at all places: many pairs are near the bound, and their bits fall into the parts in every way.
_HASHES = st.sets(st.integers(0, 63), max_size=11).map(lambda places: sum(1 << p for p in places))
_LISTS = st.lists(_HASHES, max_size=40)


@given(tabled=_LISTS, waiting=_LISTS, query=_HASHES, chunk=st.sampled_from([1, 3, 32_768]))
@settings(max_examples=100, deadline=None)
def test_it_finds_what_brute_force_finds(
    tabled: list[int], waiting: list[int], query: int, chunk: int
) -> None:
    """For any hashes, in tables or not yet, query and size of chunk: the same places and distances, each once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_hashes, "_CHUNK", chunk)
        near = of(tabled)
        near.tabulate()
        near.extend(np.array(waiting, dtype=np.uint64))
        assert looked_up(near, query) == brute_force(tabled + waiting, query)


def test_every_way_to_differ_by_eight_bits_is_found() -> None:
    """Of a random hash, 50,000 neighbours at 0 to 8 bits are found by the tables, and those at 9 are not."""
    rng = np.random.default_rng(0)
    query = int.from_bytes(rng.bytes(8))
    hashes, near_count = [], 0
    for number in range(50_000):
        distance = number % 10
        flips = rng.choice(64, distance, replace=False).tolist()
        hashes.append(query ^ sum(1 << place for place in flips))
        near_count += distance <= 8
    near = of(hashes)
    near.tabulate()
    found = looked_up(near, query)
    assert len(found) == near_count
    assert found == brute_force(hashes, query)


def test_tables_are_wanted_when_they_pay() -> None:
    """Not for a quarter of a million, then for one more, and again when a quarter of a million or a sixteenth came."""
    near = NearHashes()
    near.extend(np.zeros(262_144, np.uint64))
    assert not near.wants_tables
    near.extend(np.ones(1, np.uint64))
    assert near.wants_tables
    near.tabulate()
    assert not near.wants_tables
    near.extend(np.ones(262_144, np.uint64))
    assert not near.wants_tables
    near.extend(np.ones(1, np.uint64))
    assert near.wants_tables


def test_lookups_are_whole_while_another_thread_adds_and_makes_tables() -> None:
    """Whatever moment a lookup falls into, it finds all that was there before it began, and nothing twice."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    known = int(hashes[0])
    near = NearHashes()
    near.extend(hashes[:1])
    wrong: list[object] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            if (found := looked_up(near, known)) != [(0, 0)]:
                wrong.append(found)

    thread = threading.Thread(target=look)
    thread.start()
    for start in range(1, 20_000, 2_000):
        near.extend(hashes[start : start + 2_000])
        near.tabulate()
    done.set()
    thread.join(30)
    assert wrong == []
    assert looked_up(near, int(hashes[-1])) == [(19_999, 0)]


def test_it_starts_with_what_was_read() -> None:
    """Hashes that are there already are found, and others may follow."""
    rng = np.random.default_rng(2)
    hashes = rng.integers(0, 2**64, 3_000, dtype=np.uint64)
    near = NearHashes(hashes.copy(), 1_000)
    near.extend(hashes[1_000:])
    assert len(near) == 3_000
    np.testing.assert_array_equal(near.hashes, hashes)
    for place in (0, 999, 1_000, 2_999):
        assert looked_up(near, int(hashes[place]) ^ 0b101) == [(place, 2)]
