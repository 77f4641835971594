"""Tiles to train on: parts of pairs, with what is known of the marks in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from services.servicekit.image import Rgb
from services.servicekit.resize import InputShape, to_input
from services.watermark.synthesis.generator import Mask, changed
from services.watermark.synthesis.pair import Pair

Scalar = TypeVar("Scalar", bound=np.generic)

UNKNOWN = 255
"""The target of a place that the mark barely touches; it is not trained on."""

TILE_PX = 224
PLACE_PX = 8
PLACES = TILE_PX // PLACE_PX

VISIBLE_PX = 60
"""A tile with fewer pixels of a mark that can be seen does not count as marked."""

_VISIBLE_LEVELS = 16

_PLACE_SHARE = 0.08
_OTHER_TILE_SHARE = 0.5
_MARKED_TILES = 3
_OTHER_CLEAN_TILES = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a synthesised image.

    Attributes:
        rgb: (224, 224, 3) uint8.
        marked: Whether a mark is in it.
        places: (28, 28) uint8: 1 where a mark covers 8x8 pixels, 0 where there is none, else `UNKNOWN`.
    """

    rgb: Rgb
    marked: bool
    places: npt.NDArray[np.uint8]


def choose_tiles(pair: Pair, grid: int, rng: np.random.Generator) -> Iterator[Tile]:
    """Tiles of a pair that is brought to grid x grid tiles.

    Of a mark: up to three tiles that it is in, one of them clean as well, two other clean ones, and now and then a tile
    of the marked image that it is not in. Of a hard negative: the tile that it changed most, with and without it.
    Nothing of a mark that cannot be seen once the image was made small and saved: whoever is told that there is one
    learns to see marks where there are none.
    """
    shape = InputShape(grid * TILE_PX, grid * TILE_PX)
    clean, drawn = (to_input(image, shape) for image in pair.encoded())
    clean_tiles, drawn_tiles = cut(clean, grid), cut(drawn, grid)
    if not pair.drawn.is_mark:
        most = int(np.argmax([int(part.sum()) for part in cut(changed(clean, drawn), grid)]))
        yield _without_mark(drawn_tiles[most])
        yield _without_mark(clean_tiles[most])
        return
    mask = pair.mask_at(shape.width_px, shape.height_px)
    masks = cut(mask, grid)
    seen = cut(mask & changed(clean, drawn, _VISIBLE_LEVELS), grid)
    marked = np.flatnonzero([int(part.sum()) >= VISIBLE_PX for part in seen])
    marked = rng.permutation(marked)[:_MARKED_TILES]
    for index in marked:
        yield Tile(drawn_tiles[index], marked=True, places=_places(masks[index], seen[index]))
    for index in marked[:1]:
        yield _without_mark(clean_tiles[index])
        # An image is as marked as its worst tile: four clean ones must pass where one mark must not.
        others = [other for other in range(grid**2) if other != index]
        for other in rng.permutation(others)[:_OTHER_CLEAN_TILES]:
            yield _without_mark(clean_tiles[other])
    untouched = np.flatnonzero([not part.any() for part in masks])
    if len(marked) and len(untouched) and rng.random() < _OTHER_TILE_SHARE:
        yield _without_mark(drawn_tiles[int(rng.choice(untouched))])


def cut(image: npt.NDArray[Scalar], grid: int) -> list[npt.NDArray[Scalar]]:
    """The grid x grid tiles of an image or mask, in reading order."""
    starts = range(0, grid * TILE_PX, TILE_PX)
    return [image[top : top + TILE_PX, left : left + TILE_PX] for top in starts for left in starts]


def _without_mark(rgb: Rgb) -> Tile:
    return Tile(rgb, marked=False, places=np.zeros((PLACES, PLACES), dtype=np.uint8))


def _places(mask: Mask, seen: Mask) -> npt.NDArray[np.uint8]:
    there, visible = (
        part.reshape(PLACES, PLACE_PX, PLACES, PLACE_PX).mean(axis=(1, 3)) for part in (mask, seen)
    )
    targets = np.full((PLACES, PLACES), UNKNOWN, dtype=np.uint8)
    targets[there == 0] = 0
    targets[visible >= _PLACE_SHARE] = 1
    return targets
