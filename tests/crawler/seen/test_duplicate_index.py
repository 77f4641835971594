from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.seen.duplicate_index import DuplicateIndex, Match, MemoryRows, is_near
from services.crawler.seen.perceptual_hash import fingerprint
from tests.crawler.pictures import reencode, resized, scene


def print_of(hash64: int, hash256: int = 0, *, flat: bool = False) -> Fingerprint:
    return Fingerprint(hash64, hash256.to_bytes(32, "big"), flat)


FAR = print_of(2**64 - 1, 2**256 - 1)


def ones(count: int) -> int:
    return (1 << count) - 1


def brute_force(
    stored: list[tuple[str, Fingerprint]], query: Fingerprint, mirrored: Fingerprint
) -> Match | None:
    """The definition, in Python's own integers."""
    found = []
    for place, (digest, known) in enumerate(stored):
        for side, turned in ((query, False), (mirrored, True)):
            near64 = (known.hash64 ^ side.hash64).bit_count()
            near256 = (
                int.from_bytes(known.hash256, "big") ^ int.from_bytes(side.hash256, "big")
            ).bit_count()
            if near64 <= 8 and near256 <= 60 and not known.flat and not side.flat:
                found.append((near256, near64, place, turned, digest))
    if not found:
        return None
    near256, near64, _, mirrored, digest = min(found)
    return Match(digest, near64, near256, mirrored)


def test_an_empty_index_matches_nothing() -> None:
    """Nothing is near in an index of nothing."""
    assert DuplicateIndex().nearest(print_of(0), FAR) is None
    assert len(DuplicateIndex()) == 0


def test_an_index_of_one_matches_that_one() -> None:
    """One image is found, exactly and from nearby, and not from afar."""
    index = DuplicateIndex()
    index.add("a", print_of(0))
    assert len(index) == 1
    assert index.nearest(print_of(0), FAR) == Match("a", 0, 0)
    assert index.nearest(print_of(ones(3), ones(5)), FAR) == Match("a", 3, 5)
    assert index.nearest(FAR, FAR) is None


def test_both_bounds_are_inclusive() -> None:
    """8 of 64 and 60 of 256 match; 9 or 61 do not."""
    index = DuplicateIndex()
    index.add("a", print_of(0))
    assert index.nearest(print_of(ones(8), ones(60)), FAR) == Match("a", 8, 60)
    assert index.nearest(print_of(ones(9), ones(60)), FAR) is None
    assert index.nearest(print_of(ones(8), ones(61)), FAR) is None


def test_the_mirror_image_counts() -> None:
    """A match of the mirrored fingerprint is a match."""
    index = DuplicateIndex()
    index.add("a", print_of(ones(32), ones(128)))
    assert index.nearest(FAR, print_of(ones(32), ones(128))) == Match("a", 0, 0, mirrored=True)


def test_the_nearest_wins_then_the_earliest() -> None:
    """The least 256-bit distance wins, then the least 64-bit one, then who came first."""
    index = DuplicateIndex()
    index.add("far", print_of(0, ones(20)))
    index.add("first", print_of(0, ones(3)))
    index.add("second", print_of(0, ones(3)))
    assert index.nearest(print_of(0), FAR) == Match("first", 0, 3)
    assert index.nearest(print_of(1, ones(20)), FAR) == Match("far", 1, 0)


def test_flat_images_never_match() -> None:
    """A flat image is neither found nor finds, whatever its bits."""
    index = DuplicateIndex()
    index.add("flat", print_of(0, flat=True))
    assert index.nearest(print_of(0), FAR) is None
    assert len(index) == 0
    index.add("a", print_of(0))
    assert index.nearest(print_of(0, flat=True), print_of(0, flat=True)) is None


_PRINTS = st.builds(
    print_of,
    # Few bits set: so that many pairs are near the bounds.
    st.sets(st.integers(0, 63), max_size=9).map(lambda places: sum(1 << p for p in places)),
    st.tuples(st.integers(0, 75), st.integers(0, 180)).map(lambda at: ones(at[0]) << at[1]),
    flat=st.sampled_from([False, False, False, False, True]),
)


@given(st.lists(_PRINTS, max_size=40), _PRINTS, _PRINTS)
@settings(max_examples=300, deadline=None)
def test_it_answers_like_brute_force(
    stored: list[Fingerprint], query: Fingerprint, mirrored: Fingerprint
) -> None:
    """For any content and query the answer is that of the definition."""
    mirrored = Fingerprint(mirrored.hash64, mirrored.hash256, query.flat)
    named = [(f"{place:064x}", known) for place, known in enumerate(stored)]
    index = DuplicateIndex()
    for digest, known in named:
        index.add(digest, known)
    assert index.nearest(query, mirrored) == brute_force(named, query, mirrored)


@given(_PRINTS, _PRINTS, _PRINTS)
@settings(max_examples=300, deadline=None)
def test_one_against_one_is_as_an_index_of_one(
    stored: Fingerprint, query: Fingerprint, mirrored: Fingerprint
) -> None:
    """Flat ones and mirror images included."""
    mirrored = Fingerprint(mirrored.hash64, mirrored.hash256, query.flat)
    index = DuplicateIndex()
    index.add("a", stored)
    decoded = DecodedCandidate(9, 9, "JPEG", False, query, mirrored, {})
    assert is_near(stored, decoded) == (index.nearest(query, mirrored) is not None)


def test_it_grows_past_its_first_arrays_and_chunks() -> None:
    """Forty thousand random images: each planted neighbour is found, a stranger is not."""
    rng = np.random.default_rng(0)
    hashes = [(int.from_bytes(rng.bytes(8)), int.from_bytes(rng.bytes(32))) for _ in range(40_000)]
    index = DuplicateIndex()
    for place, (hash64, hash256) in enumerate(hashes):
        index.add(str(place), print_of(hash64, hash256))
    for place in (0, 1_023, 1_024, 32_767, 32_768, 39_999):
        hash64, hash256 = hashes[place]
        near = print_of(hash64 ^ ones(8), hash256 ^ ones(60))
        assert index.nearest(near, FAR) == Match(str(place), 8, 60)
    assert index.nearest(print_of(int.from_bytes(rng.bytes(8))), FAR) is None


def test_pictures_meet_their_copies() -> None:
    """Of real pictures, a resized, a re-compressed and a mirrored copy find the original and nothing else."""
    index = DuplicateIndex()
    scenes = [scene(seed) for seed in range(12)]
    for place, rgb in enumerate(scenes[:-1]):
        index.add(str(place), fingerprint(rgb)[0])
    for place, rgb in enumerate(scenes[:-1]):
        for copy in (resized(rgb, 300, 222), reencode(rgb, quality=40), rgb[:, ::-1].copy()):
            match = index.nearest(*fingerprint(copy))
            assert match is not None
            assert match.digest == str(place)
    assert index.nearest(*fingerprint(scenes[-1])) is None


def test_all_that_are_near_come_once_the_nearest_first() -> None:
    """A picture that is its own mirror image is one match; the upright one of two equally near."""
    index = DuplicateIndex()
    index.add("far", print_of(0, ones(20)))
    index.add("near", print_of(1, ones(3)))
    index.add("stranger", print_of(ones(32), ones(128)))
    assert index.matches(print_of(0), print_of(0)) == [Match("near", 1, 3), Match("far", 0, 20)]
    assert index.matches(print_of(0), FAR) == [Match("near", 1, 3), Match("far", 0, 20)]
    assert index.matches(FAR, print_of(0))[0] == Match("near", 1, 3, mirrored=True)


def test_a_quarter_of_a_million_images_and_more_answer_like_few() -> None:
    """With tables, and images behind them: planted neighbours are found wherever they are, a stranger is not."""
    rng = np.random.default_rng(3)
    count = 270_000
    words, rows = rng.integers(0, 2**64, count, dtype=np.uint64), MemoryRows()
    entries = [(str(place), print_of(int(word), place)) for place, word in enumerate(words)]
    rows.append(entries)
    index = DuplicateIndex(rows, words)
    index.add("last", print_of(7, 7))
    assert len(index) == count + 1
    for place in (0, 131_072, count - 1):
        query = print_of(int(words[place]) ^ (ones(4) << 18), place ^ ones(12))
        assert index.nearest(query, FAR) == Match(str(place), 4, 12)
    assert index.nearest(print_of(7, 7), FAR) == Match("last", 0, 0)
    assert index.nearest(print_of(int.from_bytes(rng.bytes(8))), FAR) is None


def test_an_index_of_the_others_keeps_their_order() -> None:
    """Those that are named are left out; of equals the earliest still wins."""
    index = DuplicateIndex()
    for digest in ("a", "b", "c", "d"):
        index.add(digest, print_of(5, 9))
    left = index.without({"a", "c"})
    assert len(left) == 2
    assert [match.digest for match in left.matches(print_of(5, 9), FAR)] == ["b", "d"]
    assert len(index) == 4
    assert len(DuplicateIndex().without({"a"})) == 0
