"""What a person should know before trusting a profile, one sentence each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.novelty.mixture import Covariance, Floats, Mixture
from services.novelty.share_estimate import ShareEstimate, estimate_share

_SMALL_PROFILE: Final = 30
_WIDE_SHARE: Final = 0.5
_WORSE_BY: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitFindings:
    """What was found while a profile was fitted.

    Attributes:
        mixture: What was fitted.
        liked_count: To how many different embeddings.
        duplicate_count: How many more repeat one of them.
        threshold_nats: Log-likelihoods at or over it fit.
        held_out: (n,) log-likelihoods of held-out liked images, nats.
        background: (m,) log-likelihoods of the background sample, nats; m may be 0.
        pass_ratio: The share of the background that was asked for, if one was.
        separation: How well the mixture tells liked from background, 0 to 1; None without a background.
        neighbour_separation: How well the five nearest liked images do.
        gap_nats: By how much more likely than held-out images the mixture finds those it was fitted to, per coordinate.
        is_degenerate: Whether it learned those by heart or has components without any.
        simplified_from: What was degenerate and gave way to this mixture; empty if nothing was.
    """

    mixture: Mixture
    liked_count: int
    duplicate_count: int
    threshold_nats: float
    held_out: Floats
    background: Floats
    pass_ratio: float | None
    separation: float | None
    neighbour_separation: float | None
    gap_nats: float
    is_degenerate: bool
    simplified_from: str


def warnings_for(found: FitFindings) -> tuple[str, ...]:
    """The sentences, in the order in which they matter."""
    sentences = (
        _about_size(found), _about_duplicates(found), _about_overfit(found), _about_degeneration(found),
        _about_baseline(found), _about_background(found), _about_pass_ratio(found),
    )  # fmt: skip
    return tuple(sentence for sentence in sentences if sentence)


def _about_size(found: FitFindings) -> str:
    kept = estimate_share(found.held_out, found.threshold_nats)
    if found.liked_count >= _SMALL_PROFILE or kept is None:
        return ""
    return (
        f"{found.liked_count} liked images make a small profile: of new ones like them {_interval(kept)} are expected "
        f"to pass; {_SMALL_PROFILE} or more make that narrower."
    )


def _about_duplicates(found: FitFindings) -> str:
    if not found.duplicate_count:
        return ""
    return (
        f"{found.duplicate_count:,} of {found.liked_count + found.duplicate_count:,} liked images repeat another one "
        "(the same picture, perhaps in another size or quality): each picture counts once."
    )


def _about_degeneration(found: FitFindings) -> str:
    if found.is_degenerate and not found.simplified_from:
        return (
            "The mixture that was asked for is degenerate: it has components that hold fewer than two images, or "
            "learned them by heart; with no form and no number of components stated, one that fits is chosen."
        )
    if not found.simplified_from:
        return ""
    return (
        f"{found.simplified_from} made a degenerate fit, with components that hold no images or learned them by heart: "
        "a simpler mixture serves instead."
    )


def _about_overfit(found: FitFindings) -> str:
    mixture = found.mixture
    numbers = mixture.precisions_cholesky.size
    if mixture.covariance is Covariance.DIAG or numbers <= found.liked_count * mixture.dimension:
        return ""
    return (
        f"The covariances hold {numbers:,} numbers, learned from {found.liked_count} liked images, which the mixture "
        f"finds likelier than held-out ones by {found.gap_nats:,.1f} nats per coordinate: expect it to know those "
        "images better than the taste behind them; diagonal covariances need far fewer."
    )


def _about_baseline(found: FitFindings) -> str:
    own, baseline = found.separation, found.neighbour_separation
    if own is None or baseline is None or own >= baseline - _WORSE_BY:
        return ""
    return (
        f"The mean similarity to the five nearest liked images tells liked from background better than this mixture "
        f"does (AUC {baseline:.3f} against {own:.3f}): more liked images, or another form of covariance, may help."
    )


def _about_background(found: FitFindings) -> str:
    background = found.background
    share = float(np.mean(background >= found.threshold_nats)) if background.size else 0.0
    if share <= _WIDE_SHARE:
        return ""
    return f"{share:.0%} of the background sample passes too: the profile hardly tells the liked images from it."


def _about_pass_ratio(found: FitFindings) -> str:
    if found.pass_ratio is None or found.pass_ratio * len(found.background) >= 1.0:
        return ""
    passing = estimate_share(found.background, found.threshold_nats)
    between = f" {_interval(passing)} of such images are expected to pass;" if passing else ""
    return (
        f"A background sample of {len(found.background):,} is too small to set a pass ratio of {found.pass_ratio:g} by:"
        f"{between} {1.0 / found.pass_ratio:,.0f} or more are needed."
    )


def _interval(share: ShareEstimate) -> str:
    return f"{share.low:.1%} to {share.high:.1%} (with 95 % confidence)"
