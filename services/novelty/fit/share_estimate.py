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

    The share over the c-th highest of n scores, itself included, is distributed as Beta(c, n + 1 - c) whatever the
    scores' own distribution is (Wilks, 1941), and so c / (n + 1) on average: that is expected where the threshold is
    one of the scores. Directly over a score it is (c + 1) / (n + 1), where c scores are higher. Anywhere else it lies
    between these two of the neighbouring scores, and the middle is taken.

    The interval is Clopper's and Pearson's (1934). It holds too where the threshold was drawn from the same scores.
    """
    count = len(scores)
    if not count:
        return None
    passed = int(np.count_nonzero(scores >= threshold_nats))
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(betaincinv(passed, count - passed + 1, tail)) if passed else 0.0
    high = float(betaincinv(passed + 1, count - passed, 1.0 - tail)) if passed < count else 1.0
    expected = (passed + _beyond_the_last(scores, threshold_nats)) / (count + 1.0)
    return ShareEstimate(expected, low, high)


def _beyond_the_last(scores: Floats, threshold_nats: float) -> float:
    """How far the threshold lies from the lowest score that passes to the highest that does not, 0 to 1."""
    if (scores == threshold_nats).any():
        return 0.0
    return 1.0 if (scores == np.nextafter(threshold_nats, -np.inf)).any() else 0.5
