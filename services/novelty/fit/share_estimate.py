"""What share of unseen images passes a threshold, with its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaincinv

from services.novelty.mixture import Floats

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """What share of unseen images passes, and how sure that is.

    Attributes:
        expected: The share to expect, 0 to 1.
        low: The lower end of its 95 % confidence interval.
        high: The upper end.
    """

    expected: float
    low: float
    high: float


def estimate_share(scores: Floats, threshold_nats: float) -> ShareEstimate | None:
    """What share of unseen images scores at or over a threshold, from (n,) scores of images like them; None for n = 0.

    The interval is exact (Clopper and Pearson, 1934), and holds too where the threshold was drawn from the same scores:
    the share under the j-th smallest of n is distributed as Beta(j, n + 1 - j) whatever the scores' own distribution
    is (Wilks, 1941), and a threshold between two of them lies between those two shares.
    """
    count = len(scores)
    if not count:
        return None
    passed = int(np.count_nonzero(scores >= threshold_nats))
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(betaincinv(passed, count - passed + 1, tail)) if passed else 0.0
    high = float(betaincinv(passed + 1, count - passed, 1.0 - tail)) if passed < count else 1.0
    return ShareEstimate((passed + 0.5) / (count + 1.0), low, high)
