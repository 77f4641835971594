from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.watermark.synthesis.encoding import Encoding, Saving
from services.watermark.synthesis.generator import MarkedPhoto
from services.watermark.synthesis.pair import Pair
from services.watermark.train.tiles import UNKNOWN, choose_tiles, cut


def pair_with(*boxes, is_mark=True, level=255):
    """A clean black image, and a lighter one whose mark is said to be in these boxes of 448x448 pixels."""
    mask = np.zeros((448, 448), np.bool_)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    clean = np.zeros((448, 448, 3), np.uint8)
    encoding = Encoding((448, 448), PillowImage.Resampling.BICUBIC, 0, (Saving("PNG"),))
    return Pair(
        clean, MarkedPhoto(clean + np.uint8(level), mask, "logo", is_mark, 0.5, 0.1), encoding
    )


def tiles_of(pair, grid=2, seed=0):
    return list(choose_tiles(pair, grid, np.random.default_rng(seed)))


def test_a_marked_tile_comes_with_its_clean_twin():
    """From the quadrant where the mark is."""
    marked, clean, *_ = tiles_of(pair_with((224, 224, 64, 64)))

    assert (marked.marked, clean.marked) == (True, False)
    assert marked.rgb.shape == clean.rgb.shape == (224, 224, 3)
    assert marked.rgb.min() == 255
    assert clean.rgb.max() == 0
    assert not clean.places.any()


def test_places_say_where_the_mark_is():
    """One where 8x8 pixels are covered by 8 % or more, unknown under that."""
    marked = tiles_of(pair_with((0, 0, 16, 8), (48, 0, 1, 5)))[0]

    expected = np.zeros((28, 28), np.uint8)
    expected[:2, 0] = 1
    expected[6, 0] = UNKNOWN
    assert np.array_equal(marked.places, expected)


def test_a_mark_that_cannot_be_seen_gives_no_tiles():
    """Too small, or white letters on a white sky: it would teach nothing."""
    assert not tiles_of(pair_with((9, 9, 7, 7)))
    assert not tiles_of(pair_with((9, 9, 90, 90), level=15))
    assert tiles_of(pair_with((9, 9, 90, 90), level=16))


def test_a_mark_across_the_image_gives_three_marked_tiles():
    """And as many clean ones, since all four of a clean image must pass."""
    tiles = tiles_of(pair_with((0, 0, 448, 448)))

    assert [tile.marked for tile in tiles] == [True] * 3 + [False] * 3


def test_untouched_tiles_of_marked_images_count_as_clean():
    """Sometimes one is taken too."""
    counts = set()
    for seed in range(40):
        tiles = tiles_of(pair_with((0, 0, 64, 64)), seed=seed)
        counts.add(len(tiles))

        assert [tile.marked for tile in tiles] == [True, *[False] * 4][: len(tiles)]
    assert counts == {4, 5}


def test_a_hard_negative_teaches_that_it_is_none():
    """With it and without it."""
    with_it, without = tiles_of(pair_with(is_mark=False))

    assert not with_it.marked
    assert not without.marked
    assert (with_it.rgb.min(), without.rgb.max()) == (255, 0)


@pytest.mark.parametrize("grid", [2, 3])
def test_images_are_cut_in_reading_order(grid):
    """Row by row; an image of 672 pixels into nine."""
    image = np.kron(np.arange(grid**2).reshape(grid, grid), np.ones((224, 224), np.int64))

    assert [int(part.max()) for part in cut(image, grid)] == list(range(grid**2))
    assert all(part.shape == (224, 224) for part in cut(image, grid))
