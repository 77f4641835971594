"""The threshold that clean photos pass."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

MAX_FALSE_POSITIVE_RATIO: Final = 0.02


def threshold_for(clean: npt.NDArray[np.float64], max_false_positive_ratio: float) -> float:
    """The smallest of the clean images' probabilities that at most this share of them is over.

    Exactly the threshold passes. The share is of all images given: give the images of one source to know that one's.

    Args:
        clean: Probabilities of clean images, at least one.
        max_false_positive_ratio: [0, 1).
    """
    falling = np.sort(clean)[::-1]
    # 0.02 of 150 is 3, though the product of floats may be a digit less.
    allowed = math.floor(max_false_positive_ratio * len(falling) + 1e-9)
    return float(falling[allowed])
