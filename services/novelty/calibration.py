"""From held-out log-likelihoods to a threshold, and to what can be expected of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.novelty.mixture import Floats

KEPT_LOG_LIKELIHOODS: Final = 2000


def threshold_of(held_out: Floats, keep_ratio: float) -> float:
    """The log-likelihood (nats) that `keep_ratio` of unseen liked images are expected to reach.

    Hazen's quantile of (n,) held-out log-likelihoods, n over 0. It does not extrapolate: a handful of images cannot
    keep more than about n / (n + 1), and 1.0 gives the lowest. Of the estimators in Hyndman and Fan, "Sample quantiles
    in statistical packages" (1996), it came nearest to the ratio asked for on real photos, from 12 to 54 liked ones.
    """
    return float(np.quantile(held_out, 1.0 - keep_ratio, method="hazen"))


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
