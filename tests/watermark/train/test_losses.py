from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.tiles import UNKNOWN

pytestmark = pytest.mark.export


def loss_of(tile_logits, marked, images, *, place=None):
    import torch

    from services.watermark.train.losses import TensorBatch, batch_loss
    from services.watermark.train.network import TileLogits

    count = len(tile_logits)
    places = np.full((count, 28, 28), UNKNOWN, np.uint8)
    if place is not None:
        places[0, 0, 0] = place
    batch = TensorBatch(
        torch.zeros((count, 224, 224, 3), dtype=torch.uint8),
        torch.tensor(marked, dtype=torch.float32),
        torch.from_numpy(places),
        torch.tensor(images),
    )
    logits = TileLogits(torch.tensor(tile_logits), torch.zeros((count, 28, 28)))
    return float(batch_loss(logits, batch))


def test_tiles_are_judged_one_by_one():
    """Sure and right costs nothing, sure and wrong much."""
    assert loss_of([20.0, -20.0], [1, 0], [-1, -1]) == pytest.approx(0, abs=1e-6)
    assert loss_of([20.0, 20.0], [1, 0], [-1, -1]) == pytest.approx(10, abs=1e-3)


def test_one_tile_is_enough_for_a_marked_image():
    """Its mark is in some tile; in a clean image no tile may say so."""
    assert loss_of([20.0, -20.0], [1, 1], [0, 0]) == pytest.approx(0, abs=1e-6)
    assert loss_of([20.0, -20.0], [0, 0], [0, 0]) == pytest.approx(20, abs=1e-3)


def test_a_labelled_image_counts_as_one_tile():
    """However many tiles it has."""
    assert loss_of([20.0, -20.0, -20.0], [0, 0, 1], [0, 0, -1]) == pytest.approx(20, abs=1e-3)


def test_places_are_learnt_where_they_are_known():
    """A marked place counts three times: there are few."""
    nothing = loss_of([20.0], [1], [-1])
    assert loss_of([20.0], [1], [-1], place=0) - nothing == pytest.approx(0.6931, abs=1e-3)
    assert loss_of([20.0], [1], [-1], place=1) - nothing == pytest.approx(3 * 0.6931, abs=1e-3)
