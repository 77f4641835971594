"""From log-odds to probabilities, and the threshold that clean photos pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from services.servicekit.errors import LodestoneError
from services.watermark.evaluate.threshold import threshold_for


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
        image: For the smooth maximum over the tiles.
        threshold: Probability of an image that clean ones are hardly ever over.
        max_false_positive_ratio: The share of the clean calibration images that may be over it, 0..1.
    """

    quadrant: Line
    image: Line
    threshold: float
    max_false_positive_ratio: float


@dataclass(frozen=True, slots=True)
class Known:
    """Log-odds with the truth.

    Attributes:
        log_odds: (n,).
        marked: (n,) bool.
    """

    log_odds: npt.NDArray[np.float64]
    marked: npt.NDArray[np.bool_]


def calibrate(images: Known, quadrants: Known, max_false_positive_ratio: float) -> Calibration:
    """Fits both lines (Platt 1999) and sets the threshold.

    Raises:
        NothingLearnt: A line does not rise.
    """
    image = _fit_line(images)
    clean = image.probability(images.log_odds[~images.marked])
    threshold = threshold_for(clean, max_false_positive_ratio)
    return Calibration(_fit_line(quadrants), image, threshold, max_false_positive_ratio)


def _fit_line(known: Known) -> Line:
    model = LogisticRegression(C=1e6, class_weight="balanced")
    model.fit(known.log_odds[:, None], known.marked)
    line = Line(float(model.coef_[0, 0]), float(model.intercept_[0]))
    if line.slope <= 0:
        raise NothingLearnt(line.slope)
    return line
