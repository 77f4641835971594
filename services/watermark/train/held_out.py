"""Images that a network is measured or calibrated on: photos it was not trained on, clean and with marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from services.servicekit.image import Rgb
from services.servicekit.resize import InputShape, to_input
from services.watermark.synthesis.generator import MarkGenerator, Mask
from services.watermark.synthesis.pair import make_pair
from services.watermark.train.batches import choose_kind, read_photo
from services.watermark.train.network import TileNetwork, split_tiles
from services.watermark.train.photos import Photo
from services.watermark.train.tiles import TILE_PX, UNKNOWN, VISIBLE_PX

CLEAN = "clean"
HARD_NEGATIVE = "hard negative"

_BATCH = 8


@dataclass(frozen=True, slots=True)
class HeldOutImages:
    """Images with what is known of them.

    Attributes:
        pixels: (n, s, s, 3) uint8.
        names: (n,) the generator of the mark, or `CLEAN` or `HARD_NEGATIVE`.
        quadrants: (n, 4) uint8: 1 with a mark in it, 0 without, else `UNKNOWN`.
        grid: Tiles per side.
    """

    pixels: npt.NDArray[np.uint8]
    names: npt.NDArray[np.str_]
    quadrants: npt.NDArray[np.uint8]
    grid: int

    @property
    def marked(self) -> npt.NDArray[np.bool_]:
        """(n,) whether there is a mark."""
        return (self.names != CLEAN) & ~self.hard_negative

    @property
    def hard_negative(self) -> npt.NDArray[np.bool_]:
        """(n,) whether there is something that only looks like a mark."""
        return self.names == HARD_NEGATIVE

    def measure(self, network: TileNetwork) -> dict[str, float]:
        """By generator, against all without a mark: cross entropy, AUC, true-positive rate at 5 % false positives."""
        scores = smooth_maximum(tile_log_odds(network, self.pixels, self.grid))
        report = {}
        for name in sorted(set(self.names[self.marked])):
            here = ~self.marked | (self.names == name)
            marked, judged = self.marked[here], scores[here]
            fpr, tpr, _ = roc_curve(marked, judged)
            report[f"{name}_loss"] = _cross_entropy(judged, marked)
            report[f"{name}_auc"] = float(roc_auc_score(marked, judged))
            report[f"{name}_tpr_at_5"] = float(tpr[fpr <= 0.05].max())
        return report


def draw_held_out(
    photos: Sequence[Photo],
    generators: Mapping[str, MarkGenerator],
    *,
    grid: int,
    seed: int,
    rounds: int = 1,
) -> HeldOutImages:
    """Each photo clean, and with a mark or hard negative, for each generator; all of that `rounds` times."""
    side_px = grid * TILE_PX
    pixels, names, quadrants = [], [], []
    for index, photo in enumerate([*photos] * rounds):
        rng = np.random.default_rng((seed, index))
        for rgb, name, mask in _images_of(read_photo(photo), generators, side_px, rng):
            pixels.append(to_input(rgb, InputShape(side_px, side_px)))
            names.append(name)
            quadrants.append(_quadrant_labels(mask))
    return HeldOutImages(np.stack(pixels), np.asarray(names), np.stack(quadrants), grid)


def tile_log_odds(
    network: TileNetwork, pixels: npt.NDArray[np.uint8], grid: int
) -> npt.NDArray[np.float64]:
    """(n, grid²) log-odds of the images' tiles, before calibration."""
    logits = []
    with torch.inference_mode():
        for start in range(0, len(pixels), _BATCH):
            tiles = split_tiles(torch.from_numpy(pixels[start : start + _BATCH]), grid)
            logits.append(network(tiles).tile.reshape(-1, grid * grid).numpy())
    return np.concatenate(logits).astype(np.float64)


def smooth_maximum(log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The logarithm of Σ exp over each image's tiles: (n, tiles) → (n,)."""
    total: npt.NDArray[np.float64] = np.logaddexp.reduce(log_odds, axis=1)
    return total


def _images_of(
    photo: Rgb, generators: Mapping[str, MarkGenerator], side_px: int, rng: np.random.Generator
) -> Iterator[tuple[Rgb, str, Mask]]:
    nothing = np.zeros((side_px, side_px), dtype=np.bool_)
    for name, generator in generators.items():
        pair = make_pair(photo, generator, choose_kind(generator, rng), rng)
        clean, drawn = pair.encoded()
        yield clean, CLEAN, nothing
        if pair.drawn.is_mark:
            yield drawn, name, pair.mask_at(side_px, side_px)
        else:
            yield drawn, HARD_NEGATIVE, nothing


def _quadrant_labels(mask: Mask) -> npt.NDArray[np.uint8]:
    half = len(mask) // 2
    counts = mask.reshape(2, half, 2, half).sum(axis=(1, 3)).ravel()
    return np.where(counts >= VISIBLE_PX, 1, np.where(counts == 0, 0, UNKNOWN)).astype(np.uint8)


def _cross_entropy(scores: npt.NDArray[np.float64], marked: npt.NDArray[np.bool_]) -> float:
    # Half of the weight is on either class, however many there are of each.
    wrong = np.logaddexp(0, np.where(marked, -scores, scores))
    return float((wrong[marked].mean() + wrong[~marked].mean()) / 2)
