"""From held-out log-likelihoods to a threshold, and to what a person should know of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.novelty.mixture import Covariance, Floats, Mixture

KEPT_LOG_LIKELIHOODS: Final = 2000

_SMALL_PROFILE: Final = 30
_WIDE_SHARE: Final = 0.5


def threshold_of(held_out: Floats, keep_ratio: float) -> float:
    """The log-likelihood (nats) that `keep_ratio` of unseen liked images are expected to reach.

    Hazen's quantile of (n,) held-out log-likelihoods, n over 0. It does not extrapolate: a handful of images cannot
    keep more than about n / (n + 1), and 1.0 gives the lowest. Of the estimators in Hyndman and Fan, "Sample quantiles
    in statistical packages" (1996), it came nearest to the ratio asked for on real photos, from 12 to 54 liked ones.
    """
    return float(np.quantile(held_out, 1.0 - keep_ratio, method="hazen"))


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


def warnings_for(
    mixture: Mixture, *, liked_count: int, threshold_nats: float, background: Floats
) -> tuple[str, ...]:
    """What a person should know before trusting a profile, one sentence each.

    Args:
        mixture: What was fitted.
        liked_count: To how many embeddings.
        threshold_nats: Log-likelihoods at or over it fit.
        background: (m,) log-likelihoods of the background sample, nats; m may be 0.
    """
    warnings = []
    if liked_count < _SMALL_PROFILE:
        warnings.append(
            f"{liked_count} liked images make a small profile: the share of new ones like them that pass "
            f"may be well off the ratio asked for; {_SMALL_PROFILE} or more make it steadier."
        )
    numbers = mixture.precisions_cholesky.size
    if mixture.covariance is not Covariance.DIAG and numbers > liked_count * mixture.dimension:
        warnings.append(
            f"The covariances hold {numbers:,} numbers, learned from {liked_count} liked images: expect it to know "
            "those images better than the taste behind them; diagonal covariances need far fewer."
        )
    share = float(np.mean(background >= threshold_nats)) if background.size else 0.0
    if share > _WIDE_SHARE:
        warnings.append(
            f"{share:.0%} of the background sample passes too: the profile hardly tells the liked images from it."
        )
    return tuple(warnings)
