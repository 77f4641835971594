from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.export


def test_quadrants_are_cut_in_reading_order():
    """Image by image: top left, top right, bottom left, bottom right."""
    import torch

    from services.watermark.train.network import split_tiles

    pixels = np.zeros((2, 448, 448, 3), np.uint8)
    for index, (top, left) in enumerate([(0, 0), (0, 224), (224, 0), (224, 224)]):
        pixels[0, top : top + 224, left : left + 224] = index
        pixels[1, top : top + 224, left : left + 224] = 10 + index

    tiles = split_tiles(torch.from_numpy(pixels), 2)

    assert tiles.shape == (8, 224, 224, 3)
    assert [int(tile.unique()) for tile in tiles] == [0, 1, 2, 3, 10, 11, 12, 13]


def test_the_middle_of_nine_tiles_lies_in_every_quadrant():
    """A quadrant is as marked as the most marked tile that lies in it for a good part."""
    import torch

    from services.watermark.train.network import quadrants_of

    nine = torch.tensor([[0.0, 1, 2, 3, 4, 5, 6, 7, 8]])

    assert quadrants_of(nine, 3).tolist() == [[4, 5, 7, 8]]
    assert quadrants_of(torch.tensor([[3.0, 1, 2, 0]]), 2).tolist() == [[3, 1, 2, 0]]


def test_a_small_mark_is_not_averaged_away():
    """One bright place in a tile raises its logit as much as it would in a tile of a quarter of the size."""
    import torch

    from services.watermark.train.body import Features
    from services.watermark.train.network import Head

    torch.manual_seed(0)
    head = Head()
    fine, coarse = torch.zeros(1, 40, 28, 28), torch.zeros(1, 112, 14, 14)
    nothing = head(Features(fine, coarse)).tile
    coarse[0, :, 7, 7] = 50
    small = head(Features(fine, coarse)).tile - nothing
    coarse[0, :, 4:10, 4:10] = 50
    large = head(Features(fine, coarse)).tile - nothing

    assert abs(small) > abs(large) / 2 > 0
