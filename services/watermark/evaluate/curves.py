"""The ROC and the precision-recall curve of a detector, as points to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, roc_curve

from services.watermark.evaluate.groups import REAL
from services.watermark.evaluate.judged_image import JudgedImage, Truth

# More points than a picture has pixels say nothing.
_POINTS_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class Curves:
    """Both curves for the marks of one generator.

    Attributes:
        generator: What drew them.
        fpr: Of the ROC curve, rising.
        tpr: At these.
        recall: Of the other curve, falling.
        precision: At these, if half of all images were marked.
    """

    generator: str
    fpr: list[float]
    tpr: list[float]
    recall: list[float]
    precision: list[float]


def curves_of(judged: Sequence[JudgedImage]) -> list[Curves]:
    """The curves of each generator's marks against all clean images."""
    clean = np.asarray([i.probability for i in judged if i.facts.truth is Truth.CLEAN])
    marked = [image for image in judged if image.facts.truth is Truth.MARKED]
    found = []
    for generator in sorted({image.facts.generator for image in marked}):
        drawn = np.asarray([i.probability for i in marked if i.facts.generator == generator])
        labels = np.r_[np.zeros(len(clean)), np.ones(len(drawn))]
        values = np.r_[clean, drawn]
        weights = np.r_[np.full(len(clean), 1 / len(clean)), np.full(len(drawn), 1 / len(drawn))]
        fpr, tpr, _ = roc_curve(labels, values)
        precision, recall, _ = precision_recall_curve(labels, values, sample_weight=weights)
        points = (*_thinned(fpr, tpr), *_thinned(recall, precision))
        found.append(Curves(generator or REAL, *points))
    return found


def _thinned(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[list[float], list[float]]:
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS_MAX)).round().astype(int))
    return [round(float(v), 5) for v in x[places]], [round(float(v), 5) for v in y[places]]
