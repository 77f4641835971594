from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.tiles import UNKNOWN

pytestmark = pytest.mark.export


def images_with(names, quadrants):
    from services.watermark.train.held_out import HeldOutImages

    pixels = np.zeros((len(names), 448, 448, 3), np.uint8)
    return HeldOutImages(pixels, np.asarray(names), np.asarray(quadrants, np.uint8), 2)


def saying(log_odds):
    """A network that says these log-odds, four an image."""
    import torch

    from services.watermark.train.network import TileLogits

    answers = iter(np.ravel(log_odds))

    def network(tiles):
        logits = torch.tensor([next(answers) for _ in tiles])
        return TileLogits(logits, torch.zeros((len(tiles), 28, 28)))

    return network


def test_hard_negatives_and_unknown_quadrants_calibrate_nothing():
    """However sure the network is of them."""
    from services.watermark.train.recipe import calibration_on

    random = np.random.default_rng(0)
    names = ["clean"] * 60 + ["first"] * 60
    quadrants = [[0] * 4] * 60 + [[1, 0, 0, 0]] * 60
    log_odds = np.where(np.asarray(quadrants) == 1, 1.0, -1.0) + random.normal(0, 1, (120, 4))
    alone = calibration_on(saying(log_odds), images_with(names, quadrants))
    names += ["hard negative"] * 5
    quadrants += [[UNKNOWN] * 4] * 5
    log_odds = np.concatenate([log_odds, np.full((5, 4), 9.0)])
    more = calibration_on(saying(log_odds), images_with(names, quadrants))

    assert alone.quadrant.slope > 1
    assert 0.5 < alone.threshold < 1
    assert more == alone


def test_a_network_that_says_the_opposite_is_refused():
    """Before anything is written."""
    from services.watermark.train.calibration import NothingLearnt
    from services.watermark.train.recipe import calibration_on

    names = ["clean", "first"] * 30
    quadrants = [[0] * 4, [1] * 4] * 30
    noise = np.random.default_rng(0).normal(0, 1, (60, 4))
    with pytest.raises(NothingLearnt):
        calibration_on(saying(0.5 - np.asarray(quadrants) + noise), images_with(names, quadrants))
