"""What a network says of held-out images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from services.watermark.train.calibration import Calibration
from services.watermark.train.held_out_images import HeldOutImages, smooth_maximum
from services.watermark.train.network import TileNetwork, quadrants_of, split_tiles

_BATCH = 8


def measure(network: TileNetwork, images: HeldOutImages) -> dict[str, float]:
    """How well it tells marked images from the others; see `HeldOutImages.report`."""
    return images.report(smooth_maximum(tile_log_odds(network, images.pixels, images.grid)))


def calibration_on(
    network: TileNetwork, images: HeldOutImages, max_false_positive_ratio: float
) -> Calibration:
    """Calibrates on images with and without marks; hard negatives are left out.

    Raises:
        NothingLearnt: The network's log-odds do not rise from clean to marked images.
    """
    tiles = tile_log_odds(network, images.pixels, images.grid)
    quadrants = quadrants_of(torch.from_numpy(tiles), images.grid).numpy()
    return images.calibration(smooth_maximum(tiles), quadrants, max_false_positive_ratio)


def tile_log_odds(
    network: TileNetwork, pixels: npt.NDArray[np.uint8], grid: int
) -> npt.NDArray[np.float64]:
    """(n, grid²) log-odds of the images' tiles, before calibration."""
    logits = []
    with torch.inference_mode():
        for start in range(0, len(pixels), _BATCH):
            tiles = split_tiles(torch.from_numpy(pixels[start : start + _BATCH]), grid)
            logits.append(network(tiles).tile.reshape(-1, grid * grid).cpu().numpy())
    return np.concatenate(logits).astype(np.float64)
