from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.watermark.train.mark import MarkKind, MarkPlan
from services.watermark.train.photos import Photo, Role
from services.watermark.train.synthesis import Pair
from services.watermark.train.tiles import (
    UNKNOWN,
    choose_tiles,
    make_training_tiles,
    quadrant_labels,
)
from tests.fakes.image_files import photo
from tests.watermark.train.lettering_for_tests import TRAINING

PLAN = MarkPlan(MarkKind.LOGO, 0.5)


def pair_with(mask):
    """A clean black image and a marked white one."""
    clean = np.zeros((448, 448, 3), np.uint8)
    return Pair(clean=clean, marked=clean + 255, mask=mask, plan=PLAN)


def mask_with(*boxes):
    mask = np.zeros((448, 448), np.bool_)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return mask


def test_labels_are_by_quadrant():
    """Top left, top right, bottom left, bottom right; unknown where the mark is barely there."""
    assert quadrant_labels(mask_with()) == [False] * 4
    assert quadrant_labels(mask_with((0, 230, 20, 20))) == [False, True, False, False]
    assert quadrant_labels(mask_with((300, 0, 5, 5), (400, 400, 30, 30))) == [
        False,
        False,
        None,
        True,
    ]


def test_a_marked_tile_comes_with_its_clean_twin():
    """From the quadrant where the mark is."""
    pair = pair_with(mask_with((224, 224, 64, 64)))

    marked, clean, *_ = choose_tiles(pair, np.random.default_rng(0))

    assert (marked.marked, clean.marked) == (True, False)
    assert marked.rgb.shape == clean.rgb.shape == (224, 224, 3)
    assert marked.rgb.min() == 255
    assert clean.rgb.max() == 0
    assert not clean.places.any()


def test_places_say_where_the_mark_is():
    """One where 16x16 pixels are covered by 4 % or more, unknown under that."""
    pair = pair_with(mask_with((0, 0, 32, 16), (48, 0, 1, 5)))

    marked = next(iter(choose_tiles(pair, np.random.default_rng(0))))

    expected = np.zeros((14, 14), np.uint8)
    expected[:2, 0] = 1
    expected[3, 0] = UNKNOWN
    assert np.array_equal(marked.places, expected)


def test_a_mark_that_cannot_be_seen_gives_no_tiles():
    """White letters on a white sky would teach nothing."""
    assert not list(choose_tiles(pair_with(mask_with((9, 9, 5, 5))), np.random.default_rng(0)))


def test_untouched_tiles_of_marked_images_count_as_clean():
    """Sometimes one is taken too."""
    pair = pair_with(mask_with((0, 0, 64, 64)))
    counts = set()
    for seed in range(40):
        tiles = list(choose_tiles(pair, np.random.default_rng(seed)))
        counts.add(len(tiles))

        assert [tile.marked for tile in tiles] == [True, False, False][: len(tiles)]
    assert counts == {2, 3}


@pytest.mark.parametrize("pairs", [3, 30])
def test_training_tiles_line_up(tmp_path, pairs):
    """As many features as labels and places, the same for one seed, about half of them marked."""
    path = tmp_path / "photo.png"
    PillowImage.fromarray(photo(200, 150)).save(path)
    photos = [Photo(path, "here", Role.TRAIN)]

    def early(pixels):
        assert pixels.dtype == np.uint8
        return np.broadcast_to(
            pixels.mean(axis=(1, 2, 3))[:, None, None, None], (len(pixels), 2, 2, 2)
        )

    tiles = make_training_tiles(photos, TRAINING, early, pairs=pairs, seed=1)
    again = make_training_tiles(photos, TRAINING, early, pairs=pairs, seed=1)

    assert len(tiles.features) == len(tiles.marked) == len(tiles.places) > pairs
    assert 0.3 < tiles.marked.mean() <= 0.5
    assert np.array_equal(tiles.features, again.features)
    assert np.array_equal(tiles.places, again.places)
