"""From held-out log-likelihoods to a threshold, and to what can be expected of it."""

from __future__ import annotations

from math import floor
from typing import Final

import numpy as np

from services.novelty.mixture import Floats

KEPT_LOG_LIKELIHOODS: Final = 2000

_ROUNDED_BY: Final = 1e-7


def threshold_of(held_out: Floats, keep_ratio: float) -> float:
    """The log-likelihood (nats) that at least `keep_ratio` of unseen liked images are expected to reach.

    The conformal rule (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005): of (n,) held-out
    log-likelihoods, n over 0, the j-th lowest, j = floor((n + 1) (1 - keep_ratio)), but at least 1. At least that share
    of the n reaches it, and a new one does with probability (n + 1 - j) / (n + 1). It does not extrapolate: whatever
    was asked for, n scores keep no more than n / (n + 1).
    """
    count = len(held_out)
    place = min(max(_floor((count + 1) * (1.0 - keep_ratio)), 1), count)
    return float(np.partition(held_out, place - 1)[place - 1])


def threshold_passed_by(background: Floats, pass_ratio: float) -> float:
    """The log-likelihood (nats) that at most `pass_ratio` of the background sample reaches.

    Of (m,) log-likelihoods, m over 0, the k-th highest, k = floor(m pass_ratio). A new one reaches it with probability
    k / (m + 1). Where k is 0, or others are as high as the k-th, it lies directly over a score, so that fewer pass.
    """
    descending = np.sort(background)[::-1]
    passing = passing_count(len(background), pass_ratio)
    if passing and np.count_nonzero(background >= descending[passing - 1]) <= passing:
        return float(descending[passing - 1])
    return float(np.nextafter(descending[passing], np.inf))


def passing_count(count: int, pass_ratio: float) -> int:
    """How many of so many images of the background sample may pass; 0 where they are too few for the ratio."""
    return _floor(count * pass_ratio)


def _floor(product: float) -> int:
    """The whole part of what may have been rounded down from a whole number, as 10 (1 - 0.9) is."""
    return floor(product + _ROUNDED_BY)


def percentile_of(log_likelihood: float, held_out: Floats) -> float:
    """The conformal p-value of a log-likelihood among (n,) ascending held-out ones, in percent: over 0, up to 100.

    (1 + how many score as low or lower) / (n + 1). Of unseen liked images at most p % get a percentile of p or less,
    for every n, encoder and mixture (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
    """
    as_low = int(np.searchsorted(held_out, log_likelihood, side="right"))
    return 100.0 * (1 + as_low) / (len(held_out) + 1)


def separation(held_out: Floats, background: Floats) -> float:
    """The area under the ROC curve: how often a held-out liked image outscores one of the background, 0 to 1.

    The statistic of Mann and Whitney (1947), ties not counted; 0 without a background.
    """
    if not background.size:
        return 0.0
    beaten = np.searchsorted(np.sort(background), held_out, side="left")
    return float(beaten.mean() / background.size)


def drawn_evenly(log_likelihoods: Floats) -> Floats:
    """Sorts (n,) values ascending and keeps at most 2,000 of them, the lowest and highest included."""
    ordered = np.sort(log_likelihoods)
    if len(ordered) <= KEPT_LOG_LIKELIHOODS:
        return ordered
    positions = np.linspace(0, len(ordered) - 1, KEPT_LOG_LIKELIHOODS).round().astype(int)
    return np.asarray(ordered[positions])
