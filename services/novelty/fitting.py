"""Fits a taste to liked embeddings: how many components, the mixture, and what it says of images it has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from services.novelty.calibration import drawn_evenly, threshold_of, warnings_for
from services.novelty.liked_set import FitOptions, LikedSet
from services.novelty.mixture import Covariance, Floats, Mixture
from services.novelty.profile import Taste
from services.servicekit.errors import InvalidInput, Unavailable

MAX_MIXTURE_BYTES: Final = 512 * 1024**2

_COUNTS_TO_TRY: Final = (1, 2, 3, 4, 6, 8, 12, 16)
_LIKED_PER_COMPONENT: Final = 15
_ROWS_TO_CHOOSE_ON: Final = 2000
_FOLDS_TO_CHOOSE_BY: Final = 3
_LEAVE_ONE_OUT_UP_TO: Final = 50
_TEN_FOLDS_UP_TO: Final = 500

_Indices = npt.NDArray[np.intp]


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
    fitter = _Fitter(options.covariance, options.seed % 2**32, stopped)
    # Several threads would add up k-means' centres in any order, and took ten times as long on a busy machine.
    with threadpool_limits(1):
        count = options.component_count or fitter.choose_count(liked)
        mixture = fitter.fit(liked, count)
        held_out = fitter.held_out_log_likelihoods(liked, count)
    background = mixture.log_likelihoods(liked_set.background)
    threshold_nats = threshold_of(held_out, options.keep_ratio)
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
    count = options.component_count or _counts_for(liked_count)[-1]
    numbers = count * (1 + dimension) + int(
        np.prod(options.covariance.shape(count, dimension), dtype=np.int64)
    )
    if numbers * 8 > MAX_MIXTURE_BYTES:
        raise MixtureTooLarge(numbers * 8, MAX_MIXTURE_BYTES)


def _counts_for(liked_count: int) -> list[int]:
    most = max(1, liked_count // _LIKED_PER_COMPONENT)
    return [count for count in _COUNTS_TO_TRY if count <= most]


@dataclass(frozen=True, slots=True)
class _Fitter:
    """Fits mixtures of one form, again and again.

    Diagonal covariances are fitted after dividing by one standard deviation of all values, and 0.1 is added to each
    variance there: of the recipes that we compared on photos (kNN, shrunk Mahalanobis, PCA, full covariances) it told
    liked from other photos best. Full and tied covariances are fitted to the embeddings as they are with sklearn's
    1e-6, as in the script that Lodestone continues; 0.1 there changed neither the AUC nor the error rates.
    """

    covariance: Covariance
    seed: int
    stopped: Callable[[], bool]

    def fit(self, rows: npt.NDArray[np.float32], count: int) -> Mixture:
        if self.stopped():
            raise Unavailable("this server", "it is shutting down")
        exact = rows.astype(np.float64)
        scale, floor = self._scaling(exact)
        estimator = GaussianMixture(
            count,
            covariance_type=self.covariance.value.lower(),
            reg_covar=floor,
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            # Stopping after 100 rounds is good enough, and so are fewer distinct images than components.
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                estimator.fit(exact / scale)
            except (ValueError, np.linalg.LinAlgError) as error:
                raise InvalidInput(f"these embeddings cannot be fitted: {error}") from error
        return Mixture(
            covariance=self.covariance,
            scale=scale,
            weights=estimator.weights_,
            means=estimator.means_,
            precisions_cholesky=estimator.precisions_cholesky_,
        )

    def choose_count(self, rows: npt.NDArray[np.float32]) -> int:
        """The count whose mixtures find held-out rows likeliest; the fewest of equals."""
        counts = _counts_for(len(rows))
        if len(counts) == 1:
            return counts[0]
        order = np.random.default_rng(self.seed).permutation(len(rows))[:_ROWS_TO_CHOOSE_ON]
        some = rows[np.sort(order)]
        folds = self._folds(len(some), _FOLDS_TO_CHOOSE_BY)
        evidence = [self._out_of_fold(some, count, folds).sum() for count in counts]
        return counts[int(np.argmax(evidence))]

    def held_out_log_likelihoods(self, rows: npt.NDArray[np.float32], count: int) -> Floats:
        """The log-likelihood of each row (nats) under a mixture fitted without it: (n,)."""
        return self._out_of_fold(rows, count, self._folds(len(rows), self._fold_count(len(rows))))

    def _fold_count(self, row_count: int) -> int:
        """The more the closer to the mixture that serves; a full covariance takes a second, so few."""
        if self.covariance is not Covariance.DIAG or row_count > _TEN_FOLDS_UP_TO:
            return 5
        return row_count if row_count <= _LEAVE_ONE_OUT_UP_TO else 10

    def _folds(self, row_count: int, fold_count: int) -> list[_Indices]:
        order = np.random.default_rng(self.seed).permutation(row_count)
        return [np.sort(fold) for fold in np.array_split(order, fold_count)]

    def _out_of_fold(
        self, rows: npt.NDArray[np.float32], count: int, folds: list[_Indices]
    ) -> Floats:
        log_likelihoods = np.empty(len(rows))
        for fold in folds:
            rest = np.delete(rows, fold, axis=0)
            mixture = self.fit(rest, min(count, len(rest)))
            log_likelihoods[fold] = mixture.log_likelihoods(rows[fold])
        return log_likelihoods

    def _scaling(self, rows: Floats) -> tuple[float, float]:
        """What rows are divided by, and what is added to each variance after that."""
        if self.covariance is not Covariance.DIAG:
            return 1.0, 1e-6
        deviation = float(rows.std())
        if not deviation > 0.0:
            raise InvalidInput("all values of all liked embeddings are equal")
        return deviation, 0.1
