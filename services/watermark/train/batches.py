"""What each step trains on: a function of the seed and the step alone, so that a training can go on where it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from services.servicekit.image import Rgb
from services.servicekit.resize import InputShape, to_input
from services.watermark.synthesis.generator import MarkGenerator
from services.watermark.synthesis.pair import Pair, make_pair
from services.watermark.train.photos import Photo
from services.watermark.train.tiles import PLACES, TILE_PX, UNKNOWN, Tile, choose_tiles, cut

SIDE_MAX_PX = 1280
"""Photos are made smaller to this before a mark is drawn: more costs seconds and changes little at 448."""

_NEGATIVE_SHARE = 0.12
_CROP_SHARE = 0.8
_SMALLEST_CROP_PX = 448
_SMALL_SHARE = 0.7
_SMALL_SIDES_PX = (560, 900)
_KEPT_PHOTOS = 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Tiles of one step.

    Attributes:
        pixels: (n, 224, 224, 3) uint8.
        marked: (n,) float32, 0 or 1; of a tile of a labelled image, its image's label.
        places: (n, 28, 28) uint8, see `Tile`; unknown in labelled images.
        images: (n,) int64: -1 for a synthesised tile; the tiles of one labelled image share a number from 0.
    """

    pixels: npt.NDArray[np.uint8]
    marked: npt.NDArray[np.float32]
    places: npt.NDArray[np.uint8]
    images: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BatchSource:
    """Batches by the number of their step.

    Attributes:
        photos: Without marks.
        labelled: Really marked and clean images; known is only which.
        generator: Draws on the photos.
        grids: Tiles per side of an image; each is cut in one of these ways, at random.
        tiles: Tiles in a batch; at least those of one image in the smallest grid.
        seed: Of everything random.
        left_out: Kinds of mark that are not drawn, to see what a detector makes of marks that it does not know.
    """

    photos: Sequence[Photo]
    labelled: Sequence[Photo]
    generator: MarkGenerator
    grids: Sequence[int]
    tiles: int
    seed: int
    left_out: frozenset[str] = frozenset()

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, from 0; the same in every process."""
        rng = np.random.default_rng((self.seed, step))
        images = self._labelled_images(rng) if self.labelled else []
        tiles = [tile for image in images for tile in image]
        numbers = [number for number, image in enumerate(images) for _ in image]
        while len(tiles) < self.tiles:
            tiles += self._synthesised(rng)
        tiles = tiles[: self.tiles]
        numbers += [-1] * (len(tiles) - len(numbers))
        return Batch(
            np.stack([tile.rgb for tile in tiles]),
            np.asarray([tile.marked for tile in tiles], dtype=np.float32),
            np.stack([tile.places for tile in tiles]),
            np.asarray(numbers, dtype=np.int64),
        )

    def _synthesised(self, rng: np.random.Generator) -> Iterator[Tile]:
        pair = draw_pair(self.photos, self.generator, rng, self.left_out)
        return choose_tiles(pair, _choose_grid(self.grids, rng), rng)

    def _labelled_images(self, rng: np.random.Generator) -> list[list[Tile]]:
        # A quarter of each batch has real labels, if there are any. Half a labelled image would have no label.
        whole = [grid for grid in self.grids if grid**2 <= self.tiles]
        grid = _choose_grid(whole, rng)
        count = max(self.tiles // (4 * grid**2), 1)
        return [self._labelled_image(grid, marked=bool(i % 2), rng=rng) for i in range(count)]

    def _labelled_image(self, grid: int, *, marked: bool, rng: np.random.Generator) -> list[Tile]:
        alike = [image for image in self.labelled if image.marked is marked] or self.labelled
        chosen = alike[int(rng.integers(len(alike)))]
        side_px = grid * TILE_PX
        rgb = to_input(read_photo(chosen), InputShape(side_px, side_px))
        rgb = np.ascontiguousarray(rgb[:, ::-1]) if rng.random() < 0.5 else rgb
        unknown = np.full((PLACES, PLACES), UNKNOWN, dtype=np.uint8)
        return [Tile(part, chosen.marked, unknown) for part in cut(rgb, grid)]


def _choose_grid(grids: Sequence[int], rng: np.random.Generator) -> int:
    return grids[int(rng.integers(len(grids)))]


def draw_pair(
    photos: Sequence[Photo],
    generator: MarkGenerator,
    rng: np.random.Generator,
    left_out: frozenset[str] = frozenset(),
) -> Pair:
    """A part of one of the photos, clean and with a mark or hard negative; no mark of a kind that is left out."""
    photo = crop_at_random(read_photo(choose_photo(photos, rng)), rng)
    kind = choose_kind(generator, rng, left_out)
    return make_pair(shrink_at_random(photo, rng), generator, kind, rng)


def choose_photo(photos: Sequence[Photo], rng: np.random.Generator) -> Photo:
    """One at random; a source with four times as many photos is chosen twice as often."""
    sources = _by_source(tuple(photos))
    weights = np.sqrt([len(source) for source in sources])
    source = sources[int(rng.choice(len(sources), p=weights / weights.sum()))]
    return source[int(rng.integers(len(source)))]


def choose_kind(
    generator: MarkGenerator, rng: np.random.Generator, left_out: frozenset[str] = frozenset()
) -> str:
    """A hard negative one time in eight, else a kind of mark that is not left out."""
    negatives = generator.hard_negatives
    if negatives and rng.random() < _NEGATIVE_SHARE:
        return negatives[int(rng.integers(len(negatives)))]
    marks = [kind for kind in generator.kinds if kind not in negatives and kind not in left_out]
    return marks[int(rng.integers(len(marks)))]


def crop_at_random(photo: Rgb, rng: np.random.Generator) -> Rgb:
    """A part of an (h, w, 3) photo of at least 448 pixels a side where it has them, mirrored half of the time.

    A small part of a large photo is not scaled down, so that the sharpest edges that there are are seen too.
    """
    if rng.random() < _CROP_SHARE:
        kept = rng.uniform(0.35, 1.0)
        height_px, width_px = (
            min(side, max(round(side * kept * rng.uniform(0.8, 1.0)), _SMALLEST_CROP_PX))
            for side in photo.shape[:2]
        )
        top = int(rng.integers(photo.shape[0] - height_px + 1))
        left = int(rng.integers(photo.shape[1] - width_px + 1))
        photo = photo[top : top + height_px, left : left + width_px]
    return np.ascontiguousarray(photo[:, ::-1] if rng.random() < 0.5 else photo)


def shrink_at_random(photo: Rgb, rng: np.random.Generator) -> Rgb:
    """Most of the large (h, w, 3) photos, brought to 560 to 900 pixels: drawing on them costs a quarter."""
    longest_px = rng.uniform(*_SMALL_SIDES_PX)
    if rng.random() >= _SMALL_SHARE or longest_px >= max(photo.shape[:2]):
        return photo
    return _at_most(photo, longest_px)


@lru_cache(maxsize=8)
def _by_source(photos: tuple[Photo, ...]) -> tuple[tuple[Photo, ...], ...]:
    sources: dict[str, list[Photo]] = {}
    for photo in photos:
        sources.setdefault(photo.source, []).append(photo)
    return tuple(map(tuple, sources.values()))


@lru_cache(maxsize=_KEPT_PHOTOS)
def read_photo(photo: Photo) -> Rgb:
    """Decodes a photo, (h, w, 3) uint8 with at most 1280 pixels a side, and keeps it."""
    rgb = photo.read()
    return rgb if max(rgb.shape[:2]) <= SIDE_MAX_PX else _at_most(rgb, SIDE_MAX_PX)


def _at_most(rgb: Rgb, longest_px: float) -> Rgb:
    scale = longest_px / max(rgb.shape[:2])
    size = (max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1))
    return np.asarray(PillowImage.fromarray(rgb).resize(size, PillowImage.Resampling.LANCZOS))
