from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage

from benchmarks import duplicates
from benchmarks.duplicating import lookups, rates
from benchmarks.duplicating.hashes import DrawnPhotos, hashed
from services.crawler.seen.perceptual_hash import fingerprint
from tests.crawler.pictures import resized, scene


def test_a_stored_file_is_started_from_and_answers_like_one_by_one(tmp_path):
    """Of a few thousand images: every copy is found, no stranger, and the goals are stated beside what was measured."""
    duplicates._store(tmp_path, 3_000, 400)
    measured = lookups.measure(tmp_path)
    assert measured["stored"] == 3_000
    assert (measured["copies"], measured["copies_found"]) == (200, 200)
    assert (measured["others"], measured["others_found"]) == (200, 0)
    assert (measured["compared"], measured["one_by_one_differences"]) == (20, 0)
    assert measured["memory_bytes"]["peak"] >= measured["memory_bytes"]["after_lookups"]
    goals = {goal.name: goal for goal in duplicates._goals(measured)}
    assert goals["answers that one by one gives otherwise"].met
    assert goals["copies that are found"].measured == 1.0
    assert goals["start from the file, s"].note == "of 3,000 images"


def test_drawn_photos_are_hashed_as_the_crawler_hashes():
    """From the waves of real pictures come their real hashes, but for bits at the median, upright and mirrored."""
    pictures = [scene(seed) for seed in range(4)]
    waves = np.stack([_waves(rgb) for rgb in pictures])
    drawn = hashed(waves, 0)
    for place, rgb in enumerate(pictures):
        for side, real in enumerate(fingerprint(rgb)):
            assert (int(drawn.hashes64[side, place]) ^ real.hash64).bit_count() <= 8
            apart = drawn.hashes256[side, place] ^ np.frombuffer(real.hash256, np.uint64)
            assert np.bitwise_count(apart).sum() <= 16


def test_drawn_photos_are_the_same_each_time_and_spread_like_photos():
    """Half of the bits are set, the first one always, and pairs are about 32 bits apart."""
    (_, one), (_, other) = next(DrawnPhotos(1).draw(500)), next(DrawnPhotos(1).draw(500))
    np.testing.assert_array_equal(one.hashes256, other.hashes256)
    assert set(np.bitwise_count(one.hashes64).ravel().tolist()) == {32}
    assert (one.hashes64 >> np.uint64(63)).all()
    apart = np.bitwise_count(one.hashes64[0, :250] ^ one.hashes64[0, 250:])
    assert 30 < apart.mean() < 33


def test_strangers_are_counted_and_copies_left_out(tmp_path):
    """Pairs of different photos alone; two files of one picture are alike, whatever their size."""
    for seed in range(5):
        PillowImage.fromarray(scene(seed)).save(tmp_path / f"{seed}.png")
    PillowImage.fromarray(resized(scene(0), 320, 240)).save(tmp_path / "again.png")
    hashes = rates.read(tmp_path, 3)
    assert (len(hashes.photo), hashes.flat_count) == (24, 0)
    report = rates.measure(hashes)
    assert report["alike_photos"] == 1
    assert report["pairs"] == (6 * 6 - 6 - 2) * 4 * 4
    assert report["by_both"]["share_of_pairs"] == 0.0
    assert report["by_both"]["expected_matches_of_a_lookup"] == {"1000000": 0.0, "10000000": 0.0}


def test_matches_of_strangers_are_counted_once_for_each_pair():
    """Two photos whose parts match by 64 bits but not by 256, one way upright and the other mirrored."""
    rng = np.random.default_rng(0)
    far = rng.integers(0, 2**64, (2, 4, 4), dtype=np.uint64)
    hashes64 = rng.integers(0, 2**64, (2, 4), dtype=np.uint64)
    hashes64[0, 3] = hashes64[0, 1] ^ np.uint64(0b111)
    hashes64[1, 3] = hashes64[0, 1]
    report = rates.measure(rates.PhotoHashes(np.array([0, 0, 1, 1]), hashes64, far, 0))
    assert report["pairs"] == 8
    # Each of the two is looked up and meets the other, which is stored once.
    assert report["by_64_bits"]["share_of_pairs"] == 2 / 8
    assert report["by_64_bits"]["pairs_of_photos"] == 1
    assert report["by_both"]["share_of_pairs"] == 0.0
    assert report["distances_256_by_64"]["3"]["pairs"] == 2


def _waves(rgb):
    small = PillowImage.fromarray(rgb).convert("L").resize((64, 64), PillowImage.Resampling.LANCZOS)
    angles = np.pi * (2 * np.arange(64) + 1) * np.arange(16)[:, None] / 128
    transform = np.cos(angles)
    transform[0] /= np.sqrt(2)
    return (transform @ np.asarray(small, float) @ transform.T).astype(np.float32)
