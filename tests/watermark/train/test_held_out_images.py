from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.resize import InputShape
from services.watermark.train.calibration import NothingLearnt
from services.watermark.train.held_out_images import HeldOutImages, draw_held_out, smooth_maximum
from services.watermark.train.tiles import UNKNOWN
from tests.watermark.train.drawn_photos import MARKS, photos_in


def images_of(folder, shape=InputShape(448, 448), rounds=1):
    generators = {"first": MARKS, "other": MARKS}
    return draw_held_out(photos_in(folder), generators, shape=shape, seed=1, rounds=rounds)


def images_with(names, quadrants):
    pixels = np.zeros((len(names), 4, 4, 3), np.uint8)
    return HeldOutImages(pixels, np.asarray(names), np.asarray(quadrants, np.uint8))


@pytest.mark.parametrize(("width_px", "height_px"), [(448, 448), (672, 672), (448, 512)])
def test_each_photo_comes_clean_and_marked_by_each_generator(tmp_path, width_px, height_px):
    """Brought to the network's input; the same images for one seed."""
    images = images_of(tmp_path, InputShape(width_px, height_px))

    assert images.pixels.shape == (12, height_px, width_px, 3)
    assert images.quadrants.shape == (12, 4)
    assert list(images.names[::2]) == ["clean"] * 6
    assert set(images.names) <= {"clean", "first", "other", "hard negative"}
    again = images_of(tmp_path, InputShape(width_px, height_px))
    assert np.array_equal(images.pixels, again.pixels)


def test_quadrants_are_labelled_by_the_mark(tmp_path):
    """None of a clean image, one at least of a marked one that is seen."""
    images = images_of(tmp_path, rounds=4)

    assert not images.quadrants[~images.marked].any()
    assert set(images.quadrants[images.marked].ravel()) <= {0, 1, UNKNOWN}
    assert (images.quadrants[images.marked] > 0).any(axis=1).mean() > 0.9


def test_the_smooth_maximum_is_near_the_largest():
    """And does not overflow."""
    rows = np.asarray([[3.0, -9, -9, -9], [500.0, -9, -9, -9]])

    assert smooth_maximum(rows) == pytest.approx([3.0, 500.0], abs=1e-4)


def test_scores_are_reported_by_generator():
    """Of two marked images the second generator's is missed; the clean ones are the same for both."""
    images = images_with(["clean", "first", "clean", "second"], [[0] * 4] * 4)

    report = images.report(np.asarray([-3.0, 3.0, -1.0, -2.0]))

    assert (report["first_auc"], report["second_auc"]) == (1, 0.5)
    assert (report["first_tpr_at_5"], report["second_tpr_at_5"]) == (1, 0)
    assert report["first_loss"] < report["second_loss"]


def test_hard_negatives_and_unknown_quadrants_calibrate_nothing():
    """However sure a detector is of them."""
    random = np.random.default_rng(0)
    names = ["clean"] * 60 + ["first"] * 60
    quadrants = [[0] * 4] * 60 + [[1, 0, 0, 0]] * 60
    log_odds = np.where(np.asarray(quadrants) == 1, 1.0, -1.0) + random.normal(0, 1, (120, 4))
    alone = images_with(names, quadrants).calibration(smooth_maximum(log_odds), log_odds, 0.02)
    names += ["hard negative"] * 5
    quadrants += [[UNKNOWN] * 4] * 5
    log_odds = np.concatenate([log_odds, np.full((5, 4), 9.0)])
    more = images_with(names, quadrants).calibration(smooth_maximum(log_odds), log_odds, 0.02)

    assert alone.quadrant.slope > 1
    assert 0.5 < alone.threshold < 1
    assert more == alone


def test_what_says_the_opposite_is_refused():
    """Before anything is written."""
    images = images_with(["clean", "first"] * 30, [[0] * 4, [1] * 4] * 30)
    noise = np.random.default_rng(0).normal(0, 1, (60, 4))
    log_odds = 0.5 - images.quadrants + noise

    with pytest.raises(NothingLearnt):
        images.calibration(smooth_maximum(log_odds), log_odds, 0.02)
