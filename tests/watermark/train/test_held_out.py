from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.tiles import UNKNOWN
from tests.watermark.train.drawn_photos import MARKS, photos_in

pytestmark = pytest.mark.export


def images_of(folder, grid=2, rounds=1):
    from services.watermark.train.held_out import draw_held_out

    generators = {"first": MARKS, "other": MARKS}
    return draw_held_out(photos_in(folder), generators, grid=grid, seed=1, rounds=rounds)


@pytest.mark.parametrize(("grid", "side_px"), [(2, 448), (3, 672)])
def test_each_photo_comes_clean_and_marked_by_each_generator(tmp_path, grid, side_px):
    """Brought to the network's input; the same images for one seed."""
    images = images_of(tmp_path, grid)

    assert images.pixels.shape == (12, side_px, side_px, 3)
    assert list(images.names[::2]) == ["clean"] * 6
    assert set(images.names) <= {"clean", "first", "other", "hard negative"}
    assert np.array_equal(images.pixels, images_of(tmp_path, grid).pixels)


def test_quadrants_are_labelled_by_the_mark(tmp_path):
    """None of a clean image, one at least of a marked one that is seen."""
    images = images_of(tmp_path, rounds=4)

    assert not images.quadrants[~images.marked].any()
    assert set(images.quadrants[images.marked].ravel()) <= {0, 1, UNKNOWN}
    assert (images.quadrants[images.marked] > 0).any(axis=1).mean() > 0.9


def test_the_smooth_maximum_is_near_the_largest():
    """And does not overflow."""
    from services.watermark.train.held_out import smooth_maximum

    rows = np.asarray([[3.0, -9, -9, -9], [500.0, -9, -9, -9]])

    assert smooth_maximum(rows) == pytest.approx([3.0, 500.0], abs=1e-4)


def test_a_network_is_measured_by_generator(tmp_path):
    """A network that knows the answers: nothing is missed."""
    import torch

    from services.watermark.train.network import TileLogits

    images = images_of(tmp_path, rounds=2)
    answers = iter(np.repeat(np.where(images.marked, 8.0, -8.0), 4))

    def knowing(tiles):
        logits = torch.tensor([next(answers) for _ in tiles])
        return TileLogits(logits, torch.zeros((len(tiles), 28, 28)))

    report = images.measure(knowing)

    assert {name.split("_")[0] for name in report} == {"first", "other"}
    assert report["first_auc"] == report["other_tpr_at_5"] == 1
    assert report["first_loss"] < 0.01
