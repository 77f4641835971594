"""Whether a probability means what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.watermark.evaluate.judged_image import JudgedImage, Truth

_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Images of similar probability.

    Attributes:
        low: The least probability of the bin.
        high: The largest.
        mean_probability: Over its images, weighted.
        marked_share: Of them, weighted.
        images: How many.
    """

    low: float
    high: float
    mean_probability: float
    marked_share: float
    images: int


def reliability(judged: Sequence[JudgedImage]) -> list[ReliabilityBin]:
    """Ten equal bins, without the empty ones; weighted as if half of the images were marked.

    Hard negatives are left out: how many of them there are is chosen, not found.
    """
    known = [image for image in judged if image.facts.truth is not Truth.HARD_NEGATIVE]
    probabilities = np.asarray([image.probability for image in known])
    marked = np.asarray([image.facts.truth is Truth.MARKED for image in known])
    weights = np.where(marked, 0.5 / max(1, marked.sum()), 0.5 / max(1, (~marked).sum()))
    places = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    bins = []
    for place in range(_BINS):
        here = places == place
        if here.any():
            mean, share = (
                float(np.average(values[here], weights=weights[here]))
                for values in (probabilities, marked)
            )
            low, high = place / _BINS, (place + 1) / _BINS
            bins.append(ReliabilityBin(low, high, mean, share, int(here.sum())))
    return bins
