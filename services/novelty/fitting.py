"""Fits a taste to liked embeddings: how many components, the mixture, and what it says of images it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from services.novelty.calibration import drawn_evenly, separation, threshold_of, warnings_for
from services.novelty.fitter import Fitter, counts_for
from services.novelty.liked_set import FitOptions, LikedSet
from services.novelty.mixture import Covariance, Floats, Mixture
from services.novelty.profile import Taste
from services.servicekit.errors import InvalidInput

MAX_MIXTURE_BYTES: Final = 512 * 1024**2
MIN_BACKGROUND: Final = 8

_RELATIVE_FLOOR: Final = 1.0
_WORTH_IT: Final = 0.05


class TooManyComponents(InvalidInput):
    """More components were asked for than there are liked images.

    Attributes:
        component_count: What was asked for.
        liked_count: How many liked images there are.
    """

    def __init__(self, component_count: int, liked_count: int) -> None:
        super().__init__(
            f"{component_count} components need {component_count} liked images at least, and there are {liked_count}"
        )
        self.component_count = component_count
        self.liked_count = liked_count


class MixtureTooLarge(InvalidInput):
    """The mixture that was asked for would not fit.

    Attributes:
        size_bytes: What it would take.
        limit_bytes: What it may take.
    """

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"such a mixture takes {size_bytes / 1e6:,.0f} MB, over the limit of {limit_bytes / 1e6:,.0f} MB: ask for "
            "fewer components or diagonal covariances"
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


def fit_taste(
    liked_set: LikedSet, options: FitOptions, *, stopped: Callable[[], bool] = lambda: False
) -> Taste:
    """Fits a taste; the same embeddings and options give the same one.

    Args:
        liked_set: What to learn from.
        options: How.
        stopped: Asked now and then; True ends the work.

    Raises:
        TooManyComponents: More than liked images.
        MixtureTooLarge: It would take more than 512 MiB.
        InvalidInput: The embeddings do not let themselves be fitted.
        Unavailable: It was stopped.
    """
    liked = liked_set.liked
    _check_size(liked.shape, options)
    seed = options.seed % 2**32
    # Several threads would add up k-means' centres in any order, and took ten times as long on a busy machine.
    with threadpool_limits(1):
        fit = _absolute(liked_set, options, Fitter(options.covariance, seed, stopped))
        if options.covariance is Covariance.DIAG and len(liked_set.background) >= MIN_BACKGROUND:
            wide = Fitter(options.covariance, seed, stopped, floor=_RELATIVE_FLOOR)
            relative = _relative(liked_set, fit.mixture.component_count, wide)
            if relative.separation > fit.separation + _WORTH_IT:
                fit = relative
    mixture, held_out, background = fit.mixture, fit.held_out, fit.background
    threshold_nats = threshold_of(held_out, options.keep_ratio)
    if mixture.background is not None:
        # Under 0 an image is likelier an ordinary one than a liked one, whatever ratio was asked for.
        threshold_nats = max(threshold_nats, 0.0)
    return Taste(
        mixture=mixture,
        threshold_nats=threshold_nats,
        keep_ratio=options.keep_ratio,
        encoder_id=liked_set.encoder_id,
        precision=liked_set.precision,
        liked_count=len(liked),
        background_count=len(background),
        held_out_log_likelihoods=drawn_evenly(held_out),
        background_log_likelihoods=drawn_evenly(background),
        warnings=warnings_for(
            mixture,
            liked_count=len(liked),
            threshold_nats=threshold_nats,
            background=background,
        ),
        seed=options.seed,
    )


def _check_size(shape: tuple[int, ...], options: FitOptions) -> None:
    liked_count, dimension = shape
    if options.component_count > liked_count:
        raise TooManyComponents(options.component_count, liked_count)
    count = options.component_count or counts_for(liked_count)[-1]
    numbers = count * (1 + dimension) + int(
        np.prod(options.covariance.shape(count, dimension), dtype=np.int64)
    )
    if numbers * 8 > MAX_MIXTURE_BYTES:
        raise MixtureTooLarge(numbers * 8, MAX_MIXTURE_BYTES)


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A mixture and what it says of images that it was not fitted to."""

    mixture: Mixture
    held_out: Floats
    background: Floats

    @property
    def separation(self) -> float:
        return separation(self.held_out, self.background)


def _absolute(liked_set: LikedSet, options: FitOptions, fitter: Fitter) -> _Fit:
    """The density of liked embeddings."""
    liked = liked_set.liked
    count = options.component_count or fitter.choose_count(liked)
    mixture = fitter.fit(liked, count)
    held_out = fitter.held_out_log_likelihoods(liked, count)
    return _Fit(mixture, held_out, mixture.log_likelihoods(liked_set.background))


def _relative(liked_set: LikedSet, count: int, fitter: Fitter) -> _Fit:
    """The same divided by the density of the background sample; each is scored by fits without it."""
    liked, background = liked_set.liked, liked_set.background
    ordinary = fitter.fit(background, 1)
    mixture = replace(fitter.fit(liked, count), background=ordinary)
    held_out = fitter.held_out_log_likelihoods(liked, count) - ordinary.log_likelihoods(liked)
    own = mixture.log_likelihoods(background) + ordinary.log_likelihoods(background)
    return _Fit(mixture, held_out, own - fitter.held_out_log_likelihoods(background, 1))
