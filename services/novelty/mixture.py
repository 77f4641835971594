"""A Gaussian mixture that says how likely embeddings are; NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import log, pi
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Embeddings: TypeAlias = npt.NDArray[np.float32]

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
    """

    covariance: Covariance
    scale: float
    weights: Floats
    means: Floats
    precisions_cholesky: Floats

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
        """The memory that its arrays take."""
        return self.weights.nbytes + self.means.nbytes + self.precisions_cholesky.nbytes

    def log_likelihoods(self, embeddings: Embeddings | Floats) -> Floats:
        """Returns ln p of each of (n, dimension) embeddings: (n,), nats, in the embeddings' own space.

        Density over x, not over x / scale: the change of variables adds -dimension * ln(scale), so that mixtures of
        different scales compare. Bishop, Pattern Recognition and Machine Learning (2006), §2.3 and §9.2.
        """
        parts = [
            self._of_rows(embeddings[start : start + _ROWS_AT_ONCE].astype(np.float64) / self.scale)
            for start in range(0, len(embeddings), _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _of_rows(self, rows: Floats) -> Floats:
        terms = self._constants - 0.5 * self._squared_distances(rows)  # (n, component_count)
        largest = terms.max(axis=1)
        shifted = np.exp(terms - largest[:, np.newaxis])
        return np.asarray(largest + np.log(shifted.sum(axis=1)))

    def _squared_distances(self, rows: Floats) -> Floats:
        """Squared Mahalanobis distances of (n, dimension) scaled rows to each mean: (n, component_count)."""
        if self.covariance is Covariance.DIAG:
            precisions, weighted_means, constant = self._diagonal
            return np.asarray(rows**2 @ precisions - 2.0 * (rows @ weighted_means) + constant)
        if self.covariance is Covariance.TIED:
            whitened = rows @ self.precisions_cholesky
            means = self._whitened_means
            columns = [((whitened - mean) ** 2).sum(axis=1) for mean in means]
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
        precisions = self.precisions_cholesky**2
        constant = (self.means**2 * precisions).sum(axis=1)
        return precisions.T.copy(), (self.means * precisions).T.copy(), constant

    @cached_property
    def _whitened_means(self) -> Floats:
        return np.asarray((self.means[:, np.newaxis, :] @ self.precisions_cholesky)[:, 0, :])
