"""The baseline beside every mixture: how near the liked neighbours of an image are."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.novelty.calibration import separation
from services.novelty.mixture import Embeddings, Floats

NEIGHBOURS: Final = 5

_QUERIES: Final = 2000
_REFERENCES: Final = 20_000


def neighbour_separation(liked: Embeddings, background: Embeddings, seed: int) -> float:
    """How well the mean cosine similarity to the 5 nearest liked embeddings tells liked ones from the background.

    Each liked embedding is compared with the others alone. At most 2,000 of either list are asked about and at most
    20,000 liked ones are compared with, drawn by the seed.

    Args:
        liked: (n, dimension) of norm 1, n over 5.
        background: (m, dimension) of norm 1, m over 0.
        seed: Of the draw.

    Returns:
        The area under the ROC curve, 0 to 1.
    """
    references = _drawn(liked, _REFERENCES, seed)
    own = references[:_QUERIES] @ references.T
    np.fill_diagonal(own, -np.inf)
    others = _drawn(background, _QUERIES, seed) @ references.T
    return separation(_nearest_mean(own), _nearest_mean(others))


def _nearest_mean(similarities: Embeddings) -> Floats:
    nearest = np.partition(similarities, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
    return np.asarray(nearest.mean(axis=1, dtype=np.float64))


def _drawn(rows: Embeddings, limit: int, seed: int) -> Embeddings:
    if len(rows) <= limit:
        return rows
    return rows[np.random.default_rng(seed).permutation(len(rows))[:limit]]
