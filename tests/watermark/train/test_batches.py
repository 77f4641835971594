from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from services.watermark.train.batches import (
    choose_kind,
    choose_photo,
    crop_at_random,
    read_photo,
    shrink_at_random,
)
from services.watermark.train.tiles import UNKNOWN
from tests.fakes.image_files import photo
from tests.watermark.train.drawn_photos import MARKS, batch_source, digest_of, photos_in


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("pixels", "marked", "places", "images")
    )


def test_a_batch_hangs_on_seed_and_step_alone(tmp_path):
    """In whatever order and process it is made: a training goes on where it was."""
    source = batch_source(tmp_path)
    third = source[3]

    assert same(third, pickle.loads(pickle.dumps(source))[3])
    assert not same(third, source[4])
    assert not same(third, batch_source(tmp_path, seed=1)[3])


@pytest.mark.parametrize("grid", [2, 3])
def test_a_batch_lines_up(tmp_path, grid):
    """As many labels and places as tiles, some marked, some not."""
    batch = batch_source(tmp_path, tiles=16, grid=grid)[0]

    assert batch.pixels.shape == (16, 224, 224, 3)
    assert batch.places.shape == (16, 28, 28)
    assert set(batch.marked) == {0.0, 1.0}
    assert all(batch.places[batch.marked == 1].reshape(-1, 784).max(axis=1) >= 1)
    assert not batch.places[batch.marked == 0].any()
    assert set(batch.images) == {-1}


def test_a_quarter_of_a_batch_has_real_labels(tmp_path):
    """Clean and marked images in turn, whole: in which tile the mark is, is not known."""
    labelled = [
        *photos_in(tmp_path / "clean", range(10, 12), labelled=True),
        *photos_in(tmp_path / "marked", range(20, 22), labelled=True, marked=True),
    ]
    batch = batch_source(tmp_path / "a", labelled=labelled, tiles=32)[0]

    assert list(batch.images[:8]) == [0] * 4 + [1] * 4
    assert list(batch.marked[:8]) == [0] * 4 + [1] * 4
    assert set(batch.images[8:]) == {-1}
    assert set(batch.places[:8].ravel()) == {UNKNOWN}


def test_a_small_batch_has_whole_labelled_images(tmp_path):
    """Eight tiles are fewer than one image's nine: it is cut into four."""
    labelled = photos_in(tmp_path / "marked", labelled=True, marked=True)
    source = replace(batch_source(tmp_path / "a", labelled=labelled, tiles=8), grids=[2, 3])

    for step in range(4):
        assert list(source[step].images) == [0] * 4 + [-1] * 4


def test_images_of_one_label_alone_are_taken_too(tmp_path):
    """A folder of marked ones without one of clean ones."""
    labelled = photos_in(tmp_path / "marked", labelled=True, marked=True)

    batch = batch_source(tmp_path / "a", labelled=labelled, tiles=32)[0]

    assert list(batch.marked[:8]) == [1] * 8


def test_small_sources_are_seen_more_often_than_by_their_size(tmp_path):
    """Sharp photos are few: sixteen times as many photos are chosen four times as often."""
    photos = [*photos_in(tmp_path / "a", [0]), *photos_in(tmp_path / "b", range(1, 17))]
    rng = np.random.default_rng(0)

    chosen = [choose_photo(photos, rng).source for _ in range(2000)]

    assert chosen.count("b") / chosen.count("a") == pytest.approx(4, rel=0.25)


def test_hard_negatives_are_one_in_eight():
    """Every kind comes."""
    rng = np.random.default_rng(0)

    kinds = [choose_kind(MARKS, rng) for _ in range(2000)]

    assert set(kinds) == set(MARKS.kinds)
    assert sum(kind in MARKS.hard_negatives for kind in kinds) == pytest.approx(240, rel=0.25)


def test_kinds_that_are_left_out_never_come():
    """All others do."""
    rng = np.random.default_rng(0)

    kinds = {choose_kind(MARKS, rng, frozenset({"tiled", "logo"})) for _ in range(1000)}

    assert kinds == set(MARKS.kinds) - {"tiled", "logo"}


def test_most_of_the_large_photos_are_made_small():
    """In their own shape; small ones stay."""
    rng = np.random.default_rng(0)
    large, small = np.zeros((600, 1200, 3), np.uint8), np.zeros((300, 500, 3), np.uint8)

    shapes = [shrink_at_random(large, rng).shape for _ in range(60)]

    shrunk = [shape for shape in shapes if shape != large.shape]
    assert 30 < len(shrunk) < 55
    assert all(560 <= shape[1] <= 900 and abs(shape[1] - 2 * shape[0]) <= 1 for shape in shrunk)
    assert shrink_at_random(small, rng) is small


@pytest.mark.parametrize("size", [(200, 150), (900, 600), (5000, 460)])
def test_crops_are_never_scaled_up(size):
    """At least 448 pixels a side where the photo has them."""
    for seed in range(20):
        crop = crop_at_random(
            np.zeros((size[1], size[0], 3), np.uint8), np.random.default_rng(seed)
        )

        assert all(
            min(448, side) <= kept <= side
            for kept, side in zip(crop.shape, size[::-1], strict=False)
        )


def test_large_photos_are_made_smaller_once(tmp_path):
    """To at most 1280 pixels a side."""
    from PIL import Image as PillowImage

    [large] = photos_in(tmp_path, [0])
    PillowImage.fromarray(photo(2000, 500)).save(large.path)
    large = replace(large, digest=digest_of(large.path))

    assert read_photo(large).shape == (320, 1280, 3)
    assert read_photo(large) is read_photo(large)
