"""The mixture of a fit and what it says of images that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.novelty.calibration import separation
from services.novelty.fit.choosing import Choice, choose, forms_for, is_degenerate
from services.novelty.fit.fitter import FITTED_AT_ONCE, Fitter
from services.novelty.fit.liked_set import FitOptions, LikedSet
from services.novelty.mixture import Covariance, Embeddings, Floats, Mixture
from services.novelty.rows import Indices, RowSelection

MIN_BACKGROUND: Final = 8

_RELATIVE_FLOOR: Final = 1.0
_WORTH_IT: Final = 0.05
_KEPT_OUT: Final = 5000
_SEEN: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A mixture and what it says of images that it was not fitted to.

    Attributes:
        mixture: What serves.
        held_out: (n,) log-likelihoods of liked images, nats, each under a mixture fitted without it.
        positions: (n,) whose they are: ascending places among the liked images.
        background: (m,) of the background sample; m may be 0.
        gap_nats: By how much more likely than these the mixture finds the liked images it saw, per coordinate.
        is_degenerate: Whether it learned those by heart or has components without any.
        simplified_from: What was degenerate and gave way to this mixture; empty if nothing was.
    """

    mixture: Mixture
    held_out: Floats
    positions: Indices
    background: Floats
    gap_nats: float
    is_degenerate: bool
    simplified_from: str = ""

    @property
    def separation(self) -> float | None:
        """How well it tells held-out liked images from the background, 0 to 1; None without one."""
        return separation(self.held_out, self.background) if self.background.size else None


def fit_mixture(liked_set: LikedSet, options: FitOptions, *, stopped: Callable[[], bool]) -> Fitted:
    """Chooses a mixture, fits it and scores what it has not seen.

    With a background of 8 or more it is made relative to that where this separates better by 0.05.

    Raises:
        InvalidInput: The embeddings do not let themselves be fitted.
        Unavailable: It was stopped.
    """
    liked = liked_set.liked
    seed = options.seed % 2**32
    forms = [options.covariance] if options.covariance else forms_for(*liked.shape)
    choice = choose(liked, Fitter(forms[0], seed, stopped), forms, options.component_count)
    fitted = _absolute(liked_set, choice)
    simplified = fitted
    if fitted.is_degenerate and not options.component_count and not _is_simplest(choice):
        simplified = _simplified(liked_set, choice)
    is_diagonal = simplified.mixture.covariance is Covariance.DIAG
    if is_diagonal and len(liked_set.background) >= MIN_BACKGROUND:
        wide = Fitter(Covariance.DIAG, seed, stopped, floor=_RELATIVE_FLOOR)
        relative = _relative(liked_set, Choice(wide, simplified.mixture.component_count))
        if (relative.separation or 0.0) > (simplified.separation or 0.0) + _WORTH_IT:
            return replace(relative, simplified_from=simplified.simplified_from)
    return simplified


def _is_simplest(choice: Choice) -> bool:
    return choice.count == 1 and choice.fitter.covariance is Covariance.DIAG


def _simplified(liked_set: LikedSet, choice: Choice) -> Fitted:
    """One diagonal component in place of a degenerate fit."""
    form = choice.fitter.covariance
    plain = replace(choice.fitter, covariance=Covariance.DIAG, floor=None)
    refit = _absolute(liked_set, Choice(plain, 1))
    return replace(refit, simplified_from=f"{choice.count} {form.lower()} components")


def _absolute(liked_set: LikedSet, choice: Choice) -> Fitted:
    """The density of liked embeddings."""
    own = _fit_and_hold_out(liked_set.liked, choice)
    background = own.mixture.log_likelihoods(liked_set.background)
    return Fitted(
        own.mixture, own.scores, own.positions, background, own.gap_nats, own.is_degenerate
    )


def _relative(liked_set: LikedSet, choice: Choice) -> Fitted:
    """The same divided by the density of the background sample; each is scored by fits without it."""
    liked, background = liked_set.liked, liked_set.background
    ordinary = choice.fitter.fit(background, 1)
    own = _fit_and_hold_out(liked, choice)
    held_out = own.scores - ordinary.log_likelihoods(liked[own.positions])
    without_each = choice.fitter.held_out_log_likelihoods(background, ordinary)
    of_background = own.mixture.log_likelihoods(background) - without_each
    mixture = replace(own.mixture, background=ordinary)
    return Fitted(mixture, held_out, own.positions, of_background, own.gap_nats, own.is_degenerate)


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOut:
    """A mixture, and the (n,) scores of the rows at `positions` under fits without them."""

    mixture: Mixture
    positions: Indices
    scores: Floats
    gap_nats: float
    is_degenerate: bool


def _fit_and_hold_out(rows: Embeddings, choice: Choice) -> _HeldOut:
    """Up to 20,000 rows are all fitted to, and held out fold by fold; of more, 5,000 take no part in the fit at all."""
    fitter, count = choice.fitter, choice.count
    if len(rows) <= FITTED_AT_ONCE:
        seen = positions = np.arange(len(rows))
        mixture = fitter.fit(rows, count)
        scores = fitter.held_out_log_likelihoods(rows, mixture)
    else:
        order = np.random.default_rng(fitter.seed).permutation(len(rows))
        positions, seen = np.sort(order[:_KEPT_OUT]), np.sort(order[_KEPT_OUT:])
        mixture = fitter.fit(RowSelection(rows, seen), count)
        scores = mixture.log_likelihoods(rows[positions])
    of_seen = mixture.log_likelihoods(rows[seen[:: max(1, len(seen) // _SEEN)]])
    gap = float(of_seen.mean() - scores.mean()) / mixture.dimension
    degenerate = is_degenerate(mixture, len(seen), gap_nats=gap)
    return _HeldOut(mixture, positions, scores, gap, degenerate)
