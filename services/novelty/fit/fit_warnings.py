"""What a person should know before trusting a profile, one sentence each."""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np

from services.novelty.calibration import passing_count
from services.novelty.fit.share_estimate import ShareEstimate, estimate_share
from services.novelty.mixture import Covariance
from services.novelty.profile import Taste

_SMALL_PROFILE: Final = 30
_WIDE_SHARE: Final = 0.5
_WORSE_BY: Final = 0.005


def warnings_for(taste: Taste) -> tuple[str, ...]:
    """The sentences, in the order in which they matter; `taste.warnings` is not looked at."""
    sentences = (
        _about_size(taste), _about_duplicates(taste), _about_overfit(taste), _about_degeneration(taste),
        _about_baseline(taste), _about_background(taste), _about_pass_ratio(taste),
    )  # fmt: skip
    return tuple(sentence for sentence in sentences if sentence)


def _about_size(taste: Taste) -> str:
    kept = estimate_share(taste.held_out_log_likelihoods, taste.threshold_nats)
    if taste.liked_count >= _SMALL_PROFILE or kept is None:
        return ""
    return (
        f"{taste.liked_count} liked images make a small profile: of new ones like them {_interval(kept)} are expected "
        f"to pass; {_SMALL_PROFILE} or more make that narrower."
    )


def _about_duplicates(taste: Taste) -> str:
    if not taste.duplicate_count:
        return ""
    return (
        f"{taste.duplicate_count:,} of {taste.liked_count + taste.duplicate_count:,} liked images repeat another one "
        "(the same picture, perhaps in another size or quality): each picture counts once."
    )


def _about_degeneration(taste: Taste) -> str:
    if taste.is_degenerate and not taste.simplified_from:
        return (
            "The mixture that was asked for is degenerate: it has components that hold fewer than two images, or "
            "learned them by heart; with no form and no number of components stated, one that fits is chosen."
        )
    if not taste.simplified_from:
        return ""
    return (
        f"{taste.simplified_from} made a degenerate fit, with components that hold no images or learned them by heart: "
        "a simpler mixture serves instead."
    )


def _about_overfit(taste: Taste) -> str:
    mixture = taste.mixture
    numbers = mixture.precisions_cholesky.size
    if mixture.covariance is Covariance.DIAG or taste.gap_nats is None:
        return ""
    if numbers <= taste.liked_count * mixture.dimension:
        return ""
    return (
        f"The covariances hold {numbers:,} numbers, learned from {taste.liked_count} liked images, which the mixture "
        f"finds likelier than held-out ones by {taste.gap_nats:,.1f} nats per coordinate: expect it to know those "
        "images better than the taste behind them; diagonal covariances need far fewer."
    )


def _about_baseline(taste: Taste) -> str:
    own, baseline = taste.separation, taste.neighbour_separation
    if own is None or baseline is None or own >= baseline - _WORSE_BY:
        return ""
    return (
        f"The mean similarity to the five nearest liked images tells liked from background better than this mixture "
        f"does (AUC {baseline:.3f} against {own:.3f}): more liked images, or another form of covariance, may help."
    )


def _about_background(taste: Taste) -> str:
    background = taste.background_log_likelihoods
    share = float(np.mean(background >= taste.threshold_nats)) if background.size else 0.0
    if share <= _WIDE_SHARE:
        return ""
    return f"{share:.0%} of the background sample passes too: the profile hardly tells the liked images from it."


def _about_pass_ratio(taste: Taste) -> str:
    if taste.pass_ratio is None or passing_count(taste.background_count, taste.pass_ratio):
        return ""
    passing = estimate_share(taste.background_log_likelihoods, taste.threshold_nats)
    between = f" {_interval(passing)} of such images are expected to pass;" if passing else ""
    return (
        f"A background sample of {taste.background_count:,} is too small to set a pass ratio of {taste.pass_ratio:g} "
        f"by: none of it passes;{between} {ceil(1.0 / taste.pass_ratio):,} or more are needed."
    )


def _interval(share: ShareEstimate) -> str:
    return f"{share.low:.1%} to {share.high:.1%} (with 95 % confidence)"
