"""Made-up embeddings with the shape of real ones: a narrow cone, clusters in it, a few strong directions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class MadeUpEmbeddings:
    """Draws unit vectors of one made-up encoder, from a seed.

    Args:
        dimension: Coordinates of each.
        clusters: How many kinds of image there are.
        seed: Of the cone, the clusters and the directions.
    """

    def __init__(self, dimension: int, clusters: int, *, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._spectrum = np.arange(1, dimension + 1) ** -0.5
        self._directions = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
        cone = rng.normal(size=dimension)
        strong = rng.normal(size=(clusters, dimension)) * self._spectrum
        self._centres = 1.2 * cone / np.linalg.norm(cone) + 0.15 * strong @ self._directions

    def of_cluster(self, cluster: int, count: int, *, seed: int) -> npt.NDArray[np.float32]:
        """(count, dimension) of one kind."""
        return self._around(np.full(count, cluster), seed)

    def draw(self, count: int, *, seed: int) -> npt.NDArray[np.float32]:
        """(count, dimension) of all kinds."""
        kinds = np.random.default_rng(seed).integers(len(self._centres), size=count)
        return self._around(kinds, seed + 1)

    def _around(self, kinds: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        shape = (len(kinds), len(self._spectrum))
        rows = self._centres[kinds] + 0.003 * rng.normal(size=shape)
        rows += 0.08 * (rng.normal(size=shape) * self._spectrum) @ self._directions
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows, np.float32)
