from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.held_out_images import HeldOutImages

pytestmark = pytest.mark.export


def images_of(names, quadrants):
    pixels = np.zeros((len(names), 448, 448, 3), np.uint8)
    return HeldOutImages(pixels, np.asarray(names), np.asarray(quadrants, np.uint8))


def saying(log_odds):
    """A network that says these log-odds, four an image."""
    import torch

    from services.watermark.train.network import TileLogits

    class Saying(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.waiting = torch.nn.Parameter(torch.tensor(np.ravel(log_odds), dtype=torch.float32))
            self.said = 0

        def forward(self, tiles):
            logits = self.waiting[self.said : self.said + len(tiles)]
            self.said += len(tiles)
            return TileLogits(logits, torch.zeros((len(tiles), 28, 28)))

    return Saying()


def test_a_network_that_knows_the_answers_misses_nothing():
    """By generator; the images come in more than one batch."""
    from services.watermark.train.held_out import measure

    images = images_of(["clean", "first", "clean", "other"] * 3, [[0] * 4] * 12)
    answers = np.repeat(np.where(images.marked, 8.0, -8.0), 4)

    report = measure(saying(answers), images)

    assert {name.split("_")[0] for name in report} == {"first", "other"}
    assert report["first_auc"] == report["other_tpr_at_5"] == 1
    assert report["first_loss"] < 0.01


def test_a_network_is_calibrated_by_image_and_by_quadrant():
    """As its log-odds are, tile by tile."""
    from services.watermark.train.held_out import calibration_on
    from services.watermark.train.held_out_images import smooth_maximum

    images = images_of(["clean"] * 60 + ["first"] * 60, [[0] * 4] * 60 + [[1, 0, 0, 0]] * 60)
    noise = np.random.default_rng(0).normal(0, 1, (120, 4))
    log_odds = (np.where(images.quadrants == 1, 1, -1) + noise).astype(np.float32)

    found = calibration_on(saying(log_odds), images, 0.02)

    expected = images.calibration(smooth_maximum(log_odds.astype(np.float64)), log_odds, 0.02)
    assert found.image.slope == pytest.approx(expected.image.slope)
    assert found.quadrant.slope == pytest.approx(expected.quadrant.slope)
    assert found.threshold == pytest.approx(expected.threshold)
