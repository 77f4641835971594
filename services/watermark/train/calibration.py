"""From log-odds to probabilities, and the threshold that clean photos pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from services.servicekit.errors import LodestoneError
from services.watermark.train.judging import Judged

MAX_FALSE_POSITIVE_RATIO = 0.025


class NothingLearnt(LodestoneError):
    """The network's log-odds do not rise from clean to marked photos.

    Attributes:
        slope: Of the logistic line through them.
    """

    def __init__(self, slope: float) -> None:
        super().__init__(f"nothing was learnt: the calibration's slope is {slope:g}, not positive")
        self.slope = slope


@dataclass(frozen=True, slots=True)
class Line:
    """Platt's line: probability = σ(slope · log-odds + offset); the slope is positive.

    Balanced: a probability of 0.5 is where marked and clean are equally likely if half of all images were marked.
    """

    slope: float
    offset: float

    def probability(self, log_odds: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Elementwise, in [0, 1]."""
        # σ(x) = (1 + tanh(x / 2)) / 2 does not overflow.
        probability: npt.NDArray[np.float64] = (
            1 + np.tanh((self.slope * log_odds.astype(np.float64) + self.offset) / 2)
        ) / 2
        return probability


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the network's log-odds mean.

    Attributes:
        quadrant: For the log-odds of one quadrant.
        image: For `smooth_maximum` over the four.
        threshold: Probability of an image; at most 2.5 % of the clean calibration images are over it.
    """

    quadrant: Line
    image: Line
    threshold: float


def smooth_maximum(judged: Sequence[Judged]) -> npt.NDArray[np.float64]:
    """The logarithm of Σ exp over the four log-odds of each image, (n,)."""
    logits = np.stack([one.logits for one in judged]).astype(np.float64)
    top = logits.max(axis=1)
    total: npt.NDArray[np.float64] = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return total


def calibrate(judged: Sequence[Judged]) -> Calibration:
    """Fits both lines (Platt 1999) and sets the threshold.

    Raises:
        NothingLearnt: A line does not rise.
    """
    marked = np.asarray([one.plan is not None for one in judged])
    log_odds = smooth_maximum(judged)
    image = _fit_line(log_odds, marked)
    known = [
        (float(logit), label)
        for one in judged
        for logit, label in zip(one.logits, one.labels, strict=True)
        if label is not None
    ]
    quadrant = _fit_line(
        np.asarray([logit for logit, _ in known]), np.asarray([label for _, label in known])
    )
    clean = image.probability(log_odds[~marked])
    return Calibration(quadrant, image, threshold_for(clean, MAX_FALSE_POSITIVE_RATIO))


def threshold_for(clean: npt.NDArray[np.float64], max_ratio: float) -> float:
    """The smallest of the clean probabilities that at most `max_ratio` of them are over."""
    falling = np.sort(clean)[::-1]
    return float(falling[math.floor(max_ratio * len(falling))])


def _fit_line(log_odds: npt.NDArray[np.float64], marked: npt.NDArray[np.bool_]) -> Line:
    model = LogisticRegression(C=1e6, class_weight="balanced")
    model.fit(log_odds[:, None], marked)
    line = Line(float(model.coef_[0, 0]), float(model.intercept_[0]))
    if line.slope <= 0:
        raise NothingLearnt(line.slope)
    return line
