"""Images that a detector is measured or calibrated on: photos it was not trained on, clean and with marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score, roc_curve

from services.servicekit.image import Rgb
from services.servicekit.resize import InputShape, to_input
from services.watermark.synthesis.generator import MarkGenerator, Mask
from services.watermark.synthesis.pair import Pair, make_pair
from services.watermark.train.batches import choose_kind, read_photo
from services.watermark.train.calibration import Calibration, Known, calibrate
from services.watermark.train.marks import Marks
from services.watermark.train.photos import Photo, Role, drawn_on
from services.watermark.train.tiles import TILE_PX, UNKNOWN, VISIBLE_PX

CLEAN: Final = "clean"
HARD_NEGATIVE: Final = "hard negative"

_CALIBRATION_SEED: Final = 1
_TEST_SEED: Final = 2
_CALIBRATION_ROUNDS: Final = 4
_TEST_PHOTOS_MAX: Final = 120


class KnownImage(NamedTuple):
    """An image with what is known of it.

    Attributes:
        rgb: (h, w, 3) uint8, of the network's input.
        name: The generator of the mark, or `CLEAN` or `HARD_NEGATIVE`.
        quadrants: (4,) uint8: 1 with a mark in it, 0 without, else `UNKNOWN`.
    """

    rgb: Rgb
    name: str
    quadrants: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class HeldOutImages:
    """Images with what is known of them.

    Attributes:
        pixels: (n, h, w, 3) uint8.
        names: (n,) the generator of the mark, or `CLEAN` or `HARD_NEGATIVE`.
        quadrants: (n, 4) uint8: 1 with a mark in it, 0 without, else `UNKNOWN`.
    """

    pixels: npt.NDArray[np.uint8]
    names: npt.NDArray[np.str_]
    quadrants: npt.NDArray[np.uint8]

    @property
    def grid(self) -> int:
        """Tiles per side."""
        return self.pixels.shape[1] // TILE_PX

    @property
    def marked(self) -> npt.NDArray[np.bool_]:
        """(n,) whether there is a mark."""
        return (self.names != CLEAN) & ~self.hard_negative

    @property
    def hard_negative(self) -> npt.NDArray[np.bool_]:
        """(n,) whether there is something that only looks like a mark."""
        return self.names == HARD_NEGATIVE

    def report(self, scores: npt.NDArray[np.float64]) -> dict[str, float]:
        """By generator, against all without a mark: cross entropy, AUC, true-positive rate at 5 % false positives.

        Args:
            scores: (n,) log-odds of the images.
        """
        report = {}
        for name in sorted(set(self.names[self.marked])):
            here = ~self.marked | (self.names == name)
            marked, judged = self.marked[here], scores[here]
            fpr, tpr, _ = roc_curve(marked, judged)
            report[f"{name}_loss"] = cross_entropy(judged, marked)
            report[f"{name}_auc"] = float(roc_auc_score(marked, judged))
            report[f"{name}_tpr_at_5"] = float(tpr[fpr <= 0.05].max())
        return report

    def calibration(
        self,
        scores: npt.NDArray[np.float64],
        quadrants: npt.NDArray[np.float64],
        max_false_positive_ratio: float,
    ) -> Calibration:
        """What log-odds of these images mean; hard negatives and unknown quadrants are left out.

        Args:
            scores: (n,) of the images.
            quadrants: (n, 4) of their quadrants.
            max_false_positive_ratio: The share of these clean images that may be over the threshold, [0, 1).

        Raises:
            NothingLearnt: The log-odds do not rise from clean to marked images.
        """
        known, usual = self.quadrants != UNKNOWN, ~self.hard_negative
        return calibrate(
            Known(scores[usual], self.marked[usual]),
            Known(quadrants[known], self.quadrants[known] == 1),
            max_false_positive_ratio,
        )


def test_images(
    photos: Sequence[Photo], marks: Marks, shape: InputShape, seed: int
) -> HeldOutImages:
    """Of at most 120 photos that test, with marks of both generators."""
    chosen = drawn_on(photos, Role.TEST)[:_TEST_PHOTOS_MAX]
    return draw_held_out(chosen, marks.to_test(), shape=shape, seed=seed + _TEST_SEED)


def calibration_images(
    photos: Sequence[Photo], marks: Marks, shape: InputShape, seed: int
) -> HeldOutImages:
    """Of all photos that calibrate, four times with other marks of the first generator."""
    return draw_held_out(
        drawn_on(photos, Role.CALIBRATE),
        marks.to_calibrate(),
        shape=shape,
        seed=seed + _CALIBRATION_SEED,
        rounds=_CALIBRATION_ROUNDS,
    )


def draw_held_out(
    photos: Sequence[Photo],
    generators: Mapping[str, MarkGenerator],
    *,
    shape: InputShape,
    seed: int,
    rounds: int = 1,
) -> HeldOutImages:
    """Each photo clean, and with a mark or hard negative, for each generator; all of that `rounds` times."""
    images: list[KnownImage] = []
    for index, photo in enumerate([*photos] * rounds):
        rng = np.random.default_rng((seed, index))
        rgb = read_photo(photo)
        for name, generator in generators.items():
            pair = make_pair(rgb, generator, choose_kind(generator, rng), rng)
            images += known_images(pair, name, shape)
    return HeldOutImages(
        np.stack([image.rgb for image in images]),
        np.asarray([image.name for image in images]),
        np.stack([image.quadrants for image in images]),
    )


def known_images(pair: Pair, name: str, shape: InputShape) -> Iterator[KnownImage]:
    """Both images of a pair, brought to a network's input.

    Args:
        pair: The clean image, and that with a mark or hard negative.
        name: The generator that drew it.
        shape: The input; of even sides.
    """
    clean, drawn = (to_input(image, shape) for image in pair.encoded())
    nothing = np.zeros(4, dtype=np.uint8)
    yield KnownImage(clean, CLEAN, nothing)
    if pair.drawn.is_mark:
        mask = pair.mask_at(shape.width_px, shape.height_px)
        yield KnownImage(drawn, name, _quadrant_labels(mask))
    else:
        yield KnownImage(drawn, HARD_NEGATIVE, nothing)


def smooth_maximum(log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The logarithm of Σ exp over each image's tiles: (n, tiles) → (n,)."""
    total: npt.NDArray[np.float64] = np.logaddexp.reduce(log_odds, axis=1)
    return total


def cross_entropy(log_odds: npt.NDArray[np.float64], marked: npt.NDArray[np.bool_]) -> float:
    """The mean of (n,) log-odds; half of the weight is on either class, however many there are of each."""
    wrong = np.logaddexp(0, np.where(marked, -log_odds, log_odds))
    return float((wrong[marked].mean() + wrong[~marked].mean()) / 2)


def _quadrant_labels(mask: Mask) -> npt.NDArray[np.uint8]:
    height_px, width_px = mask.shape
    halves = mask.reshape(2, height_px // 2, 2, width_px // 2)
    counts = halves.sum(axis=(1, 3)).ravel()
    return np.where(counts >= VISIBLE_PX, 1, np.where(counts == 0, 0, UNKNOWN)).astype(np.uint8)
