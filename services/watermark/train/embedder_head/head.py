"""The head: one regularised logistic regression for every quadrant, fitted to quadrants and images at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, softmax

from services.watermark.train.embedder_head.examples import Examples
from services.watermark.train.held_out_images import smooth_maximum
from services.watermark.train.tiles import UNKNOWN

_ITERATIONS_MAX: Final = 500
_LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Head:
    """Log-odds of a quadrant: weights · embedding + offset; of an image, their smooth maximum.

    Attributes:
        weights: (dimension,) float64.
        offset: Of every quadrant.
    """

    weights: npt.NDArray[np.float64]
    offset: float

    def log_odds(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(n, 4, dimension) → (n, 4), before calibration."""
        products: npt.NDArray[np.float64] = embeddings.astype(np.float64) @ self.weights
        return products + self.offset


def fit_head(examples: Examples, penalty: float) -> Head:
    """Fits weights from zero (L-BFGS).

    What is made small is the cross entropy of the quadrants that are known, plus that of the images by their smooth
    maximum, plus the penalty. Either class has half of the weight. The quadrants alone say where marks are, the images
    alone let a few of them decide: with both, more marks were found than with one.

    Args:
        examples: With and without marks.
        penalty: Of the squared weights of coordinates that are scaled to a spread of one; over 0.
    """
    dimension = examples.embeddings.shape[2]
    rows = examples.embeddings.reshape(-1, dimension)
    mean = rows.mean(axis=0, dtype=np.float64)
    spread = np.maximum(rows.std(axis=0, dtype=np.float64), _LEAST_SPREAD)
    scaled = (rows - mean.astype(np.float32)) / spread.astype(np.float32)
    loss = _Loss(scaled, examples, penalty)
    found = minimize(
        loss,
        np.zeros(dimension + 1),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS_MAX},
    )
    weights = found.x[:-1] / spread
    return Head(weights, float(found.x[-1] - mean @ weights))


class _Loss:
    """The loss and its gradient at (dimension + 1,) weights and offset."""

    def __init__(self, rows: npt.NDArray[np.float32], examples: Examples, penalty: float) -> None:
        quadrants = examples.quadrants.ravel()
        self._rows = rows
        self._penalty = penalty
        self._labels = (quadrants == 1).astype(np.float64)
        self._shares = _shares(self._labels == 1, quadrants != UNKNOWN)
        self._marked = examples.marked.astype(np.float64)
        self._image_shares = _shares(examples.marked, np.ones_like(examples.marked))

    def __call__(self, values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, offset = values[:-1], values[-1]
        log_odds = (self._rows @ weights.astype(np.float32)).astype(np.float64) + offset
        four = log_odds.reshape(len(self._marked), -1)
        images = smooth_maximum(four)
        loss = self._shares @ _wrong(log_odds, self._labels)
        loss += self._image_shares @ _wrong(images, self._marked)
        loss += self._penalty / 2 * (weights @ weights)
        slopes = self._shares * (expit(log_odds) - self._labels)
        image_slopes = self._image_shares * (expit(images) - self._marked)
        slopes += (image_slopes[:, None] * softmax(four, axis=1)).ravel()
        gradient = (slopes.astype(np.float32) @ self._rows).astype(np.float64)
        return float(loss), np.append(gradient + self._penalty * weights, slopes.sum())


def _wrong(
    log_odds: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    wrong: npt.NDArray[np.float64] = np.logaddexp(0, log_odds) - labels * log_odds
    return wrong


def _shares(
    positive: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """The weight of each: a half over all that are positive, a half over the others, none of what is not known."""
    shares = np.zeros(len(known))
    for part in (positive & known, ~positive & known):
        shares[part] = 0.5 / max(int(part.sum()), 1)
    return shares
