"""Fits a taste to liked embeddings: the mixture, its threshold, and what it says of images it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from services.novelty.calibration import drawn_evenly
from services.novelty.duplicate import Duplicate
from services.novelty.fit.choosing import counts_for
from services.novelty.fit.duplicates import find_duplicates, without
from services.novelty.fit.fit_warnings import warnings_for
from services.novelty.fit.fitted import Fitted, fit_mixture
from services.novelty.fit.liked_set import MIN_LIKED, FitOptions, LikedSet
from services.novelty.fit.neighbours import neighbour_separation
from services.novelty.fit.threshold_rule import NoBackground
from services.novelty.liked_images import ImageLabel, Learned, LikedImages
from services.novelty.mixture import Covariance
from services.novelty.profile import Taste
from services.servicekit.errors import InvalidInput

MAX_MIXTURE_BYTES: Final = 512 * 1024**2
MAX_LISTED_DUPLICATES: Final = 1000


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


class TooFewDifferent(InvalidInput):
    """Too few liked images are left when each picture counts once.

    Attributes:
        different_count: How many there are.
        duplicate_count: How many more repeat one of them.
    """

    def __init__(self, different_count: int, duplicate_count: int) -> None:
        super().__init__(
            f"a profile needs {MIN_LIKED} different liked images at least, and there are {different_count}: "
            f"{duplicate_count} more repeat one of them"
        )
        self.different_count = different_count
        self.duplicate_count = duplicate_count


def learn(
    liked_set: LikedSet, options: FitOptions, *, stopped: Callable[[], bool] = lambda: False
) -> Learned:
    """Fits a taste; the same embeddings and options give the same one.

    Args:
        liked_set: What to learn from.
        options: How.
        stopped: Asked now and then; True ends the work.

    Raises:
        TooManyComponents: More than different liked images.
        TooFewDifferent: Fewer than 8 of the liked images are different ones.
        MixtureTooLarge: It would take more than 512 MiB.
        NoBackground: A pass ratio without a background.
        InvalidInput: The embeddings do not let themselves be fitted.
        Unavailable: It was stopped.
    """
    _check_size(liked_set.liked.shape, options)
    if options.pass_ratio is not None and not len(liked_set.background):
        raise NoBackground
    # Several threads would add up k-means' centres in any order, and took ten times as long on a busy machine.
    with threadpool_limits(1):
        different, duplicates = _each_once(liked_set)
        _check_size(different.liked.shape, options)
        fitted = fit_mixture(different, options, stopped=stopped)
        nearest = None
        if len(different.background):
            seed = options.seed % 2**32
            nearest = neighbour_separation(different.liked, different.background, seed)
    taste = _taste(different, options, fitted, duplicates, nearest)
    return Learned(taste, _liked_images(liked_set, fitted, duplicates))


def fit_taste(
    liked_set: LikedSet, options: FitOptions, *, stopped: Callable[[], bool] = lambda: False
) -> Taste:
    """What `learn` learns, alone."""
    return learn(liked_set, options, stopped=stopped).taste


def _each_once(liked_set: LikedSet) -> tuple[LikedSet, tuple[Duplicate, ...]]:
    duplicates = find_duplicates(liked_set.liked)
    liked = without(liked_set.liked, duplicates)
    if len(liked) < MIN_LIKED:
        raise TooFewDifferent(len(liked), len(duplicates))
    return replace(liked_set, liked=liked), duplicates


def _taste(
    liked_set: LikedSet,
    options: FitOptions,
    fitted: Fitted,
    duplicates: tuple[Duplicate, ...],
    nearest: float | None,
) -> Taste:
    rule = options.threshold_rule
    is_relative = fitted.mixture.background is not None
    taste = Taste(
        mixture=fitted.mixture,
        threshold_nats=rule.threshold_nats_of(
            fitted.held_out, fitted.background, is_relative=is_relative
        ),
        keep_ratio=rule.keep_ratio,
        pass_ratio=rule.pass_ratio,
        encoder_id=liked_set.encoder_id,
        precision=liked_set.precision,
        liked_count=len(liked_set.liked),
        background_count=len(liked_set.background),
        held_out_log_likelihoods=drawn_evenly(fitted.held_out),
        background_log_likelihoods=drawn_evenly(fitted.background),
        separation=fitted.separation,
        neighbour_separation=nearest,
        duplicates=duplicates[:MAX_LISTED_DUPLICATES],
        duplicate_count=len(duplicates),
        warnings=(),
        seed=options.seed,
        asked_component_count=options.component_count,
        asked_covariance=options.covariance,
        gap_nats=fitted.gap_nats if isfinite(fitted.gap_nats) else None,
        is_degenerate=fitted.is_degenerate,
        simplified_from=fitted.simplified_from,
    )
    return replace(taste, warnings=warnings_for(taste))


def _liked_images(
    liked_set: LikedSet, fitted: Fitted, duplicates: tuple[Duplicate, ...]
) -> LikedImages:
    """All that were sent, each with its held-out score, if it has one."""
    count = len(liked_set.liked)
    originals: list[int | None] = [None] * count
    for one in duplicates:
        originals[one.position] = one.duplicate_of
    different = np.flatnonzero([original is None for original in originals])
    scores: list[float | None] = [None] * count
    positions = different[fitted.positions].tolist()
    for position, score in zip(positions, fitted.held_out.tolist(), strict=True):
        scores[position] = score
    return LikedImages(
        embeddings=liked_set.liked,
        background=liked_set.background,
        labels=liked_set.labels or (ImageLabel(),) * count,
        held_out_log_likelihoods=tuple(scores),
        originals=tuple(originals),
    )


def _check_size(shape: tuple[int, ...], options: FitOptions) -> None:
    liked_count, dimension = shape
    if options.component_count > liked_count:
        raise TooManyComponents(options.component_count, liked_count)
    form = options.covariance or Covariance.DIAG
    count = options.component_count or counts_for(liked_count)[-1]
    numbers = count * (1 + dimension) + int(np.prod(form.shape(count, dimension), dtype=np.int64))
    if numbers * 8 > MAX_MIXTURE_BYTES:
        raise MixtureTooLarge(numbers * 8, MAX_MIXTURE_BYTES)
