"""A Gaussian mixture that says how likely embeddings are; NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import log, pi
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from services.novelty.whitening import Whitening

Floats: TypeAlias = npt.NDArray[np.float64]
Embeddings: TypeAlias = npt.NDArray[np.float32]

MAX_COMPONENTS: Final = 256

_ROWS_AT_ONCE: Final = 2048


class Covariance(StrEnum):
    """The form of a mixture's covariances; the names are those of the contract."""

    DIAG = "DIAG"
    FULL = "FULL"
    TIED = "TIED"

    def shape(self, component_count: int, dimension: int) -> tuple[int, ...]:
        """The shape of a mixture's `precisions_cholesky`."""
        if self is Covariance.DIAG:
            return (component_count, dimension)
        if self is Covariance.TIED:
            return (dimension, dimension)
        return (component_count, dimension, dimension)


@dataclass(frozen=True, eq=False)
class Mixture:
    """A weighted sum of Gaussian densities over embeddings that were divided by `scale`.

    Attributes:
        covariance: The form of the covariances.
        scale: What embeddings are divided by first, over 0.
        weights: (component_count,), each over 0, sum 1.
        means: (component_count, dimension), in the scaled space.
        precisions_cholesky: Upper triangular factors of the inverse covariances, in the scaled space: one per component
            (`FULL`) or one for all (`TIED`); their diagonals alone for `DIAG`. Shaped as `Covariance.shape` says.
        background: The density of ordinary images, of the same dimension, without a background of its own: with it,
            log-likelihoods are relative to it. None: they are absolute.
    """

    covariance: Covariance
    scale: float
    weights: Floats
    means: Floats
    precisions_cholesky: Floats
    background: Mixture | None = None

    @property
    def component_count(self) -> int:
        """How many components it has."""
        return int(self.means.shape[0])

    @property
    def dimension(self) -> int:
        """How many coordinates an embedding must have."""
        return int(self.means.shape[1])

    @property
    def size_bytes(self) -> int:
        """The memory that its arrays take, with what `quick_log_likelihoods` adds."""
        own = self.weights.nbytes + self.means.nbytes + self.precisions_cholesky.nbytes
        if self.covariance is Covariance.FULL:
            own += Whitening.size_bytes(self.component_count, self.dimension)
        return own if self.background is None else own + self.background.size_bytes

    def log_likelihoods(self, embeddings: Embeddings | Floats) -> Floats:
        """Returns ln p of each of (n, dimension) embeddings: (n,), nats, in the embeddings' own space.

        Density over x, not over x / scale: the change of variables adds -dimension * ln(scale), so that mixtures of
        different scales compare. Bishop, Pattern Recognition and Machine Learning (2006), §2.3 and §9.2. With a
        background it is ln p - ln p of the background: the log-likelihood ratio of Neyman and Pearson (1933).
        """
        starts = range(0, max(1, len(embeddings)), _ROWS_AT_ONCE)
        parts = [
            _log_sum_exp(self.component_terms(embeddings[start : start + _ROWS_AT_ONCE]))
            for start in starts
        ]
        own = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return own if self.background is None else own - self.background.log_likelihoods(embeddings)

    def quick_log_likelihoods(self, embeddings: Embeddings | Floats) -> Floats:
        """The same for serving: full covariances in single precision, at three times the speed; the others as ever.

        Off by about 1e-6 of the squared distance to the next mean, some 0.001 nats for a liked image: log-likelihoods
        of thousands of nats keep five digits and more. The last ones may differ with how many embeddings come together.
        """
        if self.covariance is not Covariance.FULL:
            return self.log_likelihoods(embeddings)
        rows = embeddings.astype(np.float64) / self.scale
        own = _log_sum_exp(self._constants - 0.5 * self._whitening.squared_distances(rows))
        if self.background is None:
            return own
        return own - self.background.quick_log_likelihoods(embeddings)

    def component_terms(self, embeddings: Embeddings | Floats) -> Floats:
        """The logarithm of weight times density of each component: (n, component_count), nats; no background.

        For some thousands of rows: all are worked on at once.
        """
        rows = embeddings.astype(np.float64)
        if self.covariance is Covariance.DIAG:
            of_squares, of_values, constants = self._diagonal
            return np.asarray(rows**2 @ of_squares + rows @ of_values + constants)
        return np.asarray(self._constants - 0.5 * self._squared_distances(rows / self.scale))

    def _squared_distances(self, rows: Floats) -> Floats:
        """Squared Mahalanobis distances of (n, dimension) scaled rows to each mean: (n, component_count)."""
        if self.covariance is Covariance.TIED:
            whitened = rows @ self.precisions_cholesky
            columns = [((whitened - mean) ** 2).sum(axis=1) for mean in self._whitened_means]
        else:
            factors = zip(self.precisions_cholesky, self._whitened_means, strict=True)
            columns = [((rows @ factor - mean) ** 2).sum(axis=1) for factor, mean in factors]
        return np.stack(columns, axis=1)

    @cached_property
    def _constants(self) -> Floats:
        """What does not depend on the embedding: (component_count,)."""
        factors = self.precisions_cholesky
        if self.covariance is not Covariance.DIAG:
            factors = np.diagonal(factors, axis1=-2, axis2=-1)
        log_determinants = np.log(factors).sum(axis=-1)
        of_dimension = self.dimension * (0.5 * log(2.0 * pi) + log(self.scale))
        return np.asarray(np.log(self.weights) + log_determinants - of_dimension)

    @cached_property
    def _diagonal(self) -> tuple[Floats, Floats, Floats]:
        """The square of the distance multiplied out: what x², x and 1 are multiplied with, x unscaled."""
        precisions = self.precisions_cholesky**2
        weighted_means = self.means * precisions
        constants = self._constants - 0.5 * (self.means * weighted_means).sum(axis=1)
        of_squares = np.ascontiguousarray(precisions.T) * (-0.5 / self.scale**2)
        return of_squares, np.ascontiguousarray(weighted_means.T) / self.scale, constants

    @cached_property
    def _whitened_means(self) -> Floats:
        return np.asarray((self.means[:, np.newaxis, :] @ self.precisions_cholesky)[:, 0, :])

    @cached_property
    def _whitening(self) -> Whitening:
        return Whitening.of(self.means, self.precisions_cholesky)


def _log_sum_exp(terms: Floats) -> Floats:
    """(n,) of (n, component_count) terms, each ln of weight times density."""
    largest = terms.max(axis=1)
    shifted = np.exp(terms - largest[:, np.newaxis])
    return np.asarray(largest + np.log(shifted.sum(axis=1)))
