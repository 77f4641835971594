"""One pass of expectation-maximisation over any number of embeddings, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from services.novelty.mixture import Covariance, Floats, Mixture
from services.novelty.rows import Rows
from services.servicekit.errors import InvalidInput

_ROWS_AT_ONCE: Final = 4096
# A component that lost its last image keeps a weight over 0, as scikit-learn's do.
_LEAST_COUNT: Final = 10 * np.finfo(np.float64).eps


@dataclass(slots=True)
class _Sums:
    """What a pass adds up over the scaled rows x and their shares r in each component.

    Attributes:
        counts: (components,): the sums of r.
        values: (components, dimension): of r x.
        squares: Of r x² for `DIAG`, of r x xᵀ otherwise, one matrix for all components for `TIED`.
    """

    counts: Floats
    values: Floats
    squares: Floats


def refine(mixture: Mixture, rows: Rows, floor: float, *, between: Callable[[], None]) -> Mixture:
    """Returns the mixture after one EM pass over (n, dimension) rows; Bishop (2006), §9.2.2.

    Args:
        mixture: Where to start, without a background.
        rows: Any number over 0; 4,096 are looked at at a time.
        floor: Added to each variance, in the scaled space.
        between: Called between two parts of the rows; may raise to end the work.

    Raises:
        InvalidInput: A covariance cannot be inverted.
    """
    sums = _least(mixture)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        between()
        _add(sums, mixture, rows[start : start + _ROWS_AT_ONCE].astype(np.float64))
    means = sums.values / sums.counts[:, np.newaxis]
    try:
        factors = _factors(mixture.covariance, sums, means, floor)
    except np.linalg.LinAlgError as error:
        raise InvalidInput(f"these embeddings cannot be fitted: {error}") from error
    weights = sums.counts / sums.counts.sum()
    return replace(mixture, weights=weights, means=means, precisions_cholesky=factors)


def _least(mixture: Mixture) -> _Sums:
    """As if each component had next to nothing, all of it at its mean."""
    means = mixture.means
    if mixture.covariance is Covariance.DIAG:
        squares = means**2
    elif mixture.covariance is Covariance.TIED:
        squares = means.T @ means
    else:
        squares = means[:, :, np.newaxis] * means[:, np.newaxis, :]
    counts = np.full(mixture.component_count, _LEAST_COUNT)
    return _Sums(counts, means * _LEAST_COUNT, squares * _LEAST_COUNT)


def _add(sums: _Sums, mixture: Mixture, rows: Floats) -> None:
    terms = mixture.component_terms(rows)
    shares = np.exp(terms - terms.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    scaled = rows / mixture.scale
    sums.counts += shares.sum(axis=0)
    sums.values += shares.T @ scaled
    if mixture.covariance is Covariance.DIAG:
        sums.squares += shares.T @ scaled**2
    elif mixture.covariance is Covariance.TIED:
        sums.squares += scaled.T @ scaled
    else:
        for component, share in enumerate(shares.T):
            sums.squares[component] += (scaled * share[:, np.newaxis]).T @ scaled


def _factors(form: Covariance, sums: _Sums, means: Floats, floor: float) -> Floats:
    """The factors of the inverse covariances, as a mixture holds them."""
    counts = sums.counts
    if form is Covariance.DIAG:
        variances = np.maximum(sums.squares / counts[:, np.newaxis] - means**2, 0.0) + floor
        return np.asarray(variances**-0.5)
    if form is Covariance.TIED:
        return _factor((sums.squares - (means.T * counts) @ means) / counts.sum(), floor)
    parts = zip(sums.squares, means, counts, strict=True)
    return np.stack(
        [_factor(square / n - np.outer(mean, mean), floor) for square, mean, n in parts]
    )


def _factor(covariance: Floats, floor: float) -> Floats:
    covariance.flat[:: len(covariance) + 1] += floor
    lower = cholesky(covariance, lower=True)
    return np.asarray(solve_triangular(lower, np.eye(len(lower)), lower=True).T)
