"""Tiles to train on: the early features of quadrants and where in them the marks are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from services.servicekit.image import Rgb
from services.watermark.train.lettering import Lettering
from services.watermark.train.mark import choose_plan
from services.watermark.train.photos import Photo
from services.watermark.train.synthesis import Pair, crop_at_random, synthesize_pair

Scalar = TypeVar("Scalar", bound=np.generic)
EarlyFeatures = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""(N, 224, 224, 3) uint8 RGB → (N, 40, 28, 28)."""

UNKNOWN = 255
"""The target of a place that the mark barely touches; it is not trained on."""

_TILE_PX = 224
_PLACE_PX = 16
_VISIBLE_PX = 60
_PLACE_SHARE = 0.04
_OTHER_TILE_SHARE = 0.25
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Tile:
    """One quadrant of a synthesised image.

    Attributes:
        rgb: (224, 224, 3) uint8.
        marked: Whether a mark is in it.
        places: (14, 14) uint8: 1 where a mark covers 16x16 pixels, 0 where there is none, else `UNKNOWN`.
    """

    rgb: Rgb
    marked: bool
    places: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TrainingTiles:
    """Tiles as they are trained on.

    Attributes:
        features: (n, 40, 28, 28) float16, early features.
        marked: (n,) float32, 0 or 1.
        places: (n, 14, 14) uint8, see `Tile`.
    """

    features: npt.NDArray[np.float16]
    marked: npt.NDArray[np.float32]
    places: npt.NDArray[np.uint8]


def make_training_tiles(
    photos: Sequence[Photo],
    lettering: Lettering,
    early: EarlyFeatures,
    *,
    pairs: int,
    seed: int,
) -> TrainingTiles:
    """Synthesises `pairs` pairs over the photos in turn and keeps two or three tiles of each."""
    features: list[npt.NDArray[np.float16]] = []
    marked: list[bool] = []
    places: list[npt.NDArray[np.uint8]] = []
    waiting: list[Tile] = []
    for index in range(pairs):
        rng = np.random.default_rng((seed, index))
        photo = crop_at_random(photos[index % len(photos)].read(), rng)
        pair = synthesize_pair(photo, choose_plan(rng), lettering, rng)
        waiting.extend(choose_tiles(pair, rng))
        if len(waiting) >= _BATCH or index == pairs - 1:
            features.append(early(np.stack([tile.rgb for tile in waiting])).astype(np.float16))
            marked.extend(tile.marked for tile in waiting)
            places.extend(tile.places for tile in waiting)
            waiting.clear()
        if index % 1000 == 0:
            structlog.get_logger().info("synthesising", pair=index, of=pairs)
    return TrainingTiles(
        np.concatenate(features), np.asarray(marked, dtype=np.float32), np.stack(places)
    )


def choose_tiles(pair: Pair, rng: np.random.Generator) -> Iterator[Tile]:
    """A marked tile and the same tile clean; sometimes another tile of the marked image without a mark.

    Yields nothing when the mark cannot be seen.
    """
    visible_px = [int(mask.sum()) for mask in _quadrants(pair.mask)]
    marked = [index for index, count in enumerate(visible_px) if count >= _VISIBLE_PX]
    if not marked:
        return
    chosen = marked[int(rng.integers(len(marked)))]
    mask = _quadrants(pair.mask)[chosen]
    yield Tile(_quadrants(pair.marked)[chosen], marked=True, places=_places(mask))
    nothing = np.zeros((_TILE_PX // _PLACE_PX,) * 2, dtype=np.uint8)
    yield Tile(_quadrants(pair.clean)[chosen], marked=False, places=nothing)
    untouched = [index for index, count in enumerate(visible_px) if count == 0]
    if untouched and rng.random() < _OTHER_TILE_SHARE:
        other = untouched[int(rng.integers(len(untouched)))]
        yield Tile(_quadrants(pair.marked)[other], marked=False, places=nothing)


def quadrant_labels(mask: npt.NDArray[np.bool_]) -> list[bool | None]:
    """Whether each quadrant of a (448, 448) mask has a mark; None where it barely has."""
    counts = [int(part.sum()) for part in _quadrants(mask)]
    return [None if 0 < count < _VISIBLE_PX else count > 0 for count in counts]


def _places(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    side = _TILE_PX // _PLACE_PX
    share = mask.reshape(side, _PLACE_PX, side, _PLACE_PX).mean(axis=(1, 3))
    targets = np.full((side, side), UNKNOWN, dtype=np.uint8)
    targets[share == 0] = 0
    targets[share >= _PLACE_SHARE] = 1
    return targets


def _quadrants(image: npt.NDArray[Scalar]) -> list[npt.NDArray[Scalar]]:
    side = _TILE_PX
    return [image[top : top + side, left : left + side] for top in (0, side) for left in (0, side)]
