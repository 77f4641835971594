"""The quadrant network: body, head and calibration; pixels in, probabilities out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from services.watermark.train.body import TUNED_CHANNELS, Body

TILE_PX = 224
GRID = 2
"""Tiles per side; quadrants are the tiles row by row."""

PLACES = 14
"""Places per side of a tile; each stands for 16x16 pixels."""

_HIDDEN_CHANNELS = 128
_STRONGEST = 8


class TileLogits(NamedTuple):
    """What the head says of tiles.

    Attributes:
        tile: (N,) log-odds that there is a mark in the tile.
        places: (N, 14, 14) log-odds that a mark covers the place.
    """

    tile: torch.Tensor
    places: torch.Tensor


class Head(nn.Module):
    """Looks for marks place by place; a tile is as marked as its strongest places.

    Averaging over a tile would throw small text away: what is pooled is the maximum of each channel, and the mean of
    the eight strongest places.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(TUNED_CHANNELS, _HIDDEN_CHANNELS, kernel_size=1)
        self.place = nn.Conv2d(_HIDDEN_CHANNELS, 1, kernel_size=1)
        self.tile = nn.Linear(_HIDDEN_CHANNELS + 1, 1)

    def forward(self, features: torch.Tensor) -> TileLogits:
        """(N, 112, 14, 14) → the logits of N tiles."""
        hidden = functional.relu(self.hidden(features))
        places = self.place(hidden)[:, 0]
        strongest = places.flatten(1).topk(_STRONGEST, dim=1).values.mean(dim=1, keepdim=True)
        pooled = torch.cat([hidden.amax(dim=(2, 3)), strongest], dim=1)
        return TileLogits(self.tile(pooled)[:, 0], places)


class QuadrantNetwork(nn.Module):
    """(N, 448, 448, 3) uint8 RGB → the watermark probability of the image and of its quadrants.

    With tile logits t, a quadrant has probability σ(a·t + b), a > 0, and the image σ(c·s + d), c > 0, where
    s = ln Σ exp t is the tiles' smooth maximum. Both rise with every tile's logit.
    """

    def __init__(self, body: Body, head: Head) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.register_buffer("quadrant_line", torch.tensor([1.0, 0.0]))
        self.register_buffer("image_line", torch.tensor([1.0, 0.0]))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns (N,) and (N, 4) float32 in [0, 1]: top left, top right, bottom left, bottom right."""
        logits = self.tile_logits(pixels)
        image = logits.logsumexp(dim=1)
        return (
            torch.sigmoid(image * self.image_line[0] + self.image_line[1]),
            torch.sigmoid(logits * self.quadrant_line[0] + self.quadrant_line[1]),
        )

    def tile_logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 448, 448, 3) uint8 RGB → (N, 4) log-odds before calibration."""
        tiles = split_tiles(pixels)
        logits = self.head(self.body.late(self.body.early(tiles))).tile
        return logits.reshape(-1, GRID * GRID)


def split_tiles(pixels: torch.Tensor) -> torch.Tensor:
    """(N, 448, 448, 3) → (4 N, 224, 224, 3): image by image, tile by tile in reading order."""
    rows = pixels.reshape(-1, GRID, TILE_PX, GRID, TILE_PX, 3)
    return rows.permute(0, 1, 3, 2, 4, 5).reshape(-1, TILE_PX, TILE_PX, 3)
