"""How well probabilities part marked images from clean ones, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import auc, roc_curve

from services.servicekit.errors import LodestoneError
from services.watermark.evaluate.judged_image import JudgedImage

CONFIDENCE = 0.95
RESAMPLES = 200

_Floats = npt.NDArray[np.float64]
_Counts = npt.NDArray[np.int64]


class NothingToCompare(LodestoneError):
    """There are no clean or no marked images.

    Attributes:
        clean: How many clean ones there are.
        marked: How many marked ones there are.
    """

    def __init__(self, clean: int, marked: int) -> None:
        super().__init__(f"{clean} clean and {marked} marked images: both kinds are needed")
        self.clean = clean
        self.marked = marked


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured number with its interval.

    Attributes:
        value: Over all images.
        low: 2.5th percentile over resamples of the photos.
        high: 97.5th percentile of the same.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Rates:
    """What a detector does with a set of clean and a set of marked images.

    Attributes:
        clean: Clean images.
        marked: Marked images.
        photos: Photos that these were made of.
        auc: Area under the ROC curve.
        tpr_at_1: Share of marked images found where 1 % of the clean ones are flagged, at most.
        tpr_at_5: The same for 5 %.
        tpr: Share of marked images over the detector's threshold.
        fpr: Share of clean images over it.
        accuracy: Share of right verdicts, if half of all images were marked.
    """

    clean: int
    marked: int
    photos: int
    auc: Estimate
    tpr_at_1: Estimate
    tpr_at_5: Estimate
    tpr: Estimate
    fpr: Estimate
    accuracy: Estimate


def measure(
    clean: Sequence[JudgedImage],
    marked: Sequence[JudgedImage],
    *,
    threshold: float,
    resamples: int = RESAMPLES,
) -> Rates:
    """Measures one set against the other; the intervals are a bootstrap over photos (Efron 1979), not over images.

    Args:
        clean: Images that should not be flagged.
        marked: Images that should be.
        threshold: Over it an image is flagged; exactly it passes.
        resamples: Of the bootstrap; always the same ones.

    Raises:
        NothingToCompare: One of the sets is empty.
    """
    if not clean or not marked:
        raise NothingToCompare(len(clean), len(marked))
    images = [*clean, *marked]
    sample = _Sample(images, len(clean), threshold)
    found = bootstrapped(images, sample.rates, resamples=resamples)
    photos = len({image.facts.photo for image in images})
    return Rates(len(clean), len(marked), photos, *found)


def bootstrapped(
    images: Sequence[JudgedImage],
    statistic: Callable[[_Counts], Sequence[float]],
    *,
    resamples: int = RESAMPLES,
) -> list[Estimate]:
    """Estimates of a statistic's numbers; a number that a resample does not have (NaN) is not counted there.

    Args:
        images: In the order that `statistic` knows.
        statistic: Takes how often each image counts, (n,).
        resamples: Of the photos, drawn with replacement by a fixed seed.
    """
    places = {photo: place for place, photo in enumerate(sorted({i.facts.photo for i in images}))}
    of_photo = np.asarray([places[image.facts.photo] for image in images])
    rng = np.random.default_rng(0)
    values = statistic(np.ones(len(images), np.int64))
    drawn = [
        statistic(
            np.bincount(rng.integers(len(places), size=len(places)), minlength=len(places))[
                of_photo
            ]
        )
        for _ in range(resamples)
    ]
    return [
        Estimate(float(value), *_interval(np.asarray([one[column] for one in drawn]), value))
        for column, value in enumerate(values)
    ]


def tpr_at(fpr: _Floats, tpr: _Floats, limit: float) -> float:
    """The largest TPR of a ROC curve whose FPR is at most `limit`."""
    # A sum of weights may miss the limit by its last digit.
    return float(tpr[fpr <= limit + 1e-12].max())


@dataclass(frozen=True, slots=True)
class _Sample:
    images: Sequence[JudgedImage]
    clean: int
    threshold: float

    def rates(self, counts: _Counts) -> list[float]:
        probabilities = np.asarray([image.probability for image in self.images])
        labels = np.arange(len(self.images)) >= self.clean
        if not counts[labels].sum() or not counts[~labels].sum():
            return [float("nan")] * 6
        kept = counts > 0
        fpr, tpr, _ = roc_curve(
            labels[kept], probabilities[kept], sample_weight=counts[kept], drop_intermediate=False
        )
        over = probabilities > self.threshold
        found = float(np.average(over[labels], weights=counts[labels]))
        flagged = float(np.average(over[~labels], weights=counts[~labels]))
        at_1, at_5 = tpr_at(fpr, tpr, 0.01), tpr_at(fpr, tpr, 0.05)
        return [float(auc(fpr, tpr)), at_1, at_5, found, flagged, (found + 1 - flagged) / 2]


def _interval(values: _Floats, value: float) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return value, value
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(finite, (tail, 1 - tail))
    return float(low), float(high)
