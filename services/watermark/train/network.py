"""The tile network: body, head and calibration; pixels in, probabilities out."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from services.watermark.train.body import COARSE_CHANNELS, FINE_CHANNELS, Body, Features
from services.watermark.train.tiles import TILE_PX

_CHANNELS = 64
_STRONGEST = 8


class Variant(StrEnum):
    """How many tiles an image is cut into, with the same weights for each."""

    QUADRANTS = "quadrants"
    NINE = "nine"

    @property
    def grid(self) -> int:
        """Tiles per side."""
        return 2 if self is Variant.QUADRANTS else 3

    @property
    def side_px(self) -> int:
        """Of the image, which is squashed to a square."""
        return self.grid * TILE_PX


class TileLogits(NamedTuple):
    """What the head says of tiles.

    Attributes:
        tile: (N,) log-odds that there is a mark in the tile.
        places: (N, 28, 28) log-odds that a mark covers the place.
    """

    tile: torch.Tensor
    places: torch.Tensor


class Head(nn.Module):
    """Looks for marks place by place; a tile is as marked as its strongest places.

    Averaging over a tile would throw small text away. Fine places see strokes, coarse ones see what they belong to: the
    coarse are laid over the fine as in a feature pyramid (https://arxiv.org/abs/1612.03144). What is pooled is the
    maximum of each channel, and the mean of the eight strongest places.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(FINE_CHANNELS, _CHANNELS, kernel_size=1)
        self.coarse = nn.Conv2d(COARSE_CHANNELS, 2 * _CHANNELS, kernel_size=1)
        self.down = nn.Conv2d(2 * _CHANNELS, _CHANNELS, kernel_size=1)
        self.around = nn.Conv2d(_CHANNELS, _CHANNELS, kernel_size=3, padding=1, groups=_CHANNELS)
        self.place = nn.Conv2d(_CHANNELS, 1, kernel_size=1)
        self.tile = nn.Linear(3 * _CHANNELS + 1, 1)

    def forward(self, features: Features) -> TileLogits:
        """Returns the logits of N tiles."""
        coarse = functional.relu(self.coarse(features.coarse))
        above = functional.interpolate(self.down(coarse), scale_factor=2.0, mode="nearest")
        fine = functional.relu(self.fine(features.fine) + above)
        fine = functional.relu(self.around(fine))
        places = self.place(fine)[:, 0]
        strongest = places.flatten(1).topk(_STRONGEST, dim=1).values.mean(dim=1, keepdim=True)
        pooled = [coarse.amax(dim=(2, 3)), fine.amax(dim=(2, 3)), strongest]
        return TileLogits(self.tile(torch.cat(pooled, dim=1))[:, 0], places)


class TileNetwork(nn.Module):
    """(N, 224, 224, 3) uint8 RGB → logits; what is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body()
        self.head = Head()

    def forward(self, pixels: torch.Tensor) -> TileLogits:
        """Judges N tiles, wherever the network and they are."""
        logits: TileLogits = self.head(self.body(pixels.to(self.head.tile.weight.device)))
        return logits


class ImageNetwork(nn.Module):
    """(N, s, s, 3) uint8 RGB → the watermark probability of the image and of its quadrants.

    With tile logits t, a quadrant has probability σ(a·t + b), a > 0, where t is its tile's or the largest of those that
    lie in it for a good part; and the image σ(c·s + d), c > 0, where s = ln Σ exp t is the tiles' smooth maximum. Both
    rise with every tile's logit.
    """

    def __init__(self, tiles: TileNetwork, variant: Variant) -> None:
        super().__init__()
        self.tiles = tiles
        self.grid = variant.grid
        self.register_buffer("quadrant_line", torch.tensor([1.0, 0.0]))
        self.register_buffer("image_line", torch.tensor([1.0, 0.0]))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns (N,) and (N, 4) float32 in [0, 1]: top left, top right, bottom left, bottom right."""
        logits = self.tile_logits(pixels)
        image = logits.logsumexp(dim=1)
        quadrants = quadrants_of(logits, self.grid)
        return (
            torch.sigmoid(image * self.image_line[0] + self.image_line[1]),
            torch.sigmoid(quadrants * self.quadrant_line[0] + self.quadrant_line[1]),
        )

    def tile_logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, s, s, 3) uint8 RGB → (N, grid²) log-odds before calibration."""
        logits = self.tiles(split_tiles(pixels, self.grid)).tile
        return logits.reshape(-1, self.grid * self.grid)


def quadrants_of(logits: torch.Tensor, grid: int) -> torch.Tensor:
    """(N, grid²) log-odds of tiles → (N, 4) of quadrants; of three tiles a side, the middle one lies in both halves."""
    square = logits.reshape(-1, 1, grid, grid)
    return functional.max_pool2d(square, grid - 1, stride=1).flatten(1)


def split_tiles(pixels: torch.Tensor, grid: int) -> torch.Tensor:
    """(N, s, s, 3) → (N grid², 224, 224, 3): image by image, tile by tile in reading order."""
    rows = pixels.reshape(-1, grid, TILE_PX, grid, TILE_PX, 3)
    return rows.permute(0, 1, 3, 2, 4, 5).reshape(-1, TILE_PX, TILE_PX, 3)
