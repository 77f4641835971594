"""Embeddings drawn from what was fitted to real ones, and ones shaped like CLIP's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from services.novelty.mixture import Embeddings

_ROWS_AT_ONCE: Final = 8192
_AXES: Final = 24


def unit(rows: npt.NDArray[np.floating]) -> Embeddings:
    """(n, dimension) rows, each divided by its norm."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class Population:
    """Clusters of embeddings, the main directions in which all of them spread, and the rest as noise.

    Attributes:
        centres: (clusters, dimension).
        axes: (directions, dimension): a standard normal number for each makes an embedding move.
        noise: (dimension,): the standard deviation that the axes leave.
    """

    centres: Embeddings
    axes: Embeddings
    noise: Embeddings

    @classmethod
    def of(cls, rows: Embeddings, clusters: int, seed: int) -> Self:
        """Fits one to (n, dimension) embeddings: k-means' centres, the main axes around them, and what is left."""
        means = KMeans(clusters, n_init=3, random_state=seed).fit(rows)
        around = rows - means.cluster_centers_[means.labels_]
        _, sizes, directions = np.linalg.svd(around, full_matrices=False)
        # As many numbers were taken from the rows as the clusters have coordinates.
        freedom = len(rows) - clusters
        axes = directions[:_AXES] * (sizes[:_AXES] / freedom**0.5)[:, np.newaxis]
        left = (around**2).sum(axis=0) / freedom - (axes**2).sum(axis=0)
        noise = np.sqrt(np.maximum(left, 0.0))
        return cls(*(np.asarray(one, np.float32) for one in (means.cluster_centers_, axes, noise)))

    def draw(self, count: int, seed: int) -> Embeddings:
        """Draws (count, dimension) embeddings of norm 1."""
        rng = np.random.default_rng(seed)
        parts = []
        for start in range(0, count, _ROWS_AT_ONCE):
            size = min(_ROWS_AT_ONCE, count - start)
            rows = self.centres[rng.integers(0, len(self.centres), size)]
            rows = rows + rng.standard_normal((size, len(self.axes)), np.float32) @ self.axes
            noise = rng.standard_normal((size, len(self.noise)), np.float32) * self.noise
            parts.append(unit(rows + noise))
        return np.concatenate(parts)


def clip_shaped(seed: int, clusters: int = 12, dimension: int = 512) -> Population:
    """Embeddings like CLIP's: all in one cone, in clusters, with variances that fall off over turned coordinates.

    Two drawn embeddings have a cosine similarity of about 0.6, as photos have under ViT-B/32.
    """
    rng = np.random.default_rng(seed)
    cone = rng.standard_normal(dimension)
    cone *= 0.8 / np.linalg.norm(cone)
    spread = 0.08 * (np.exp(-np.arange(dimension) / 60.0) + 0.05)
    turned = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].T
    centres = cone + (rng.standard_normal((clusters, dimension)) * spread) @ turned
    axes = spread[:, np.newaxis] * turned
    return Population(
        *(np.asarray(one, np.float32) for one in (centres, axes, np.zeros(dimension)))
    )
