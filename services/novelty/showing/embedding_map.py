"""A map of embeddings: points of one plane, where near points stand for similar images."""

from __future__ import annotations

from typing import Final

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from services.novelty.mixture import Embeddings, Floats

# Van der Maaten and Hinton take 30: it suppresses noise, and distances are quick to compute.
_COORDINATES: Final = 50
_PERPLEXITY: Final = 30.0
_NEIGHBOURS_PER_PERPLEXITY: Final = 3
_FEWEST_TO_ARRANGE: Final = 8
# 2,000 points take 8 s of CPU time so; twice the rounds and the finer angle twice that, and show the same clusters.
_ROUNDS: Final = 500
_ANGLE: Final = 0.8


def map_embeddings(embeddings: Embeddings) -> Floats:
    """Places embeddings on a plane by t-SNE; the same embeddings give the same map.

    From their two main directions on (Kobak and Berens, 2019), with a perplexity of 30, or a third of the points where
    they are fewer than 90. Equal embeddings share a place. Of fewer than 8 different ones there is no neighbourhood to
    keep: they lie where their two main directions put them.

    Args:
        embeddings: (n, dimension), finite; n from 0 on.

    Returns:
        (n, 2) in [-1, 1]: in the middle, and touching at least two opposite sides unless all share one place.
    """
    if not len(embeddings):
        return np.empty((0, 2))
    different, place_of = np.unique(embeddings, axis=0, return_inverse=True)
    with threadpool_limits(1):  # sums of several threads come out in any order
        places = _arranged(_main_coordinates(different))
    return np.asarray(_scaled(places)[place_of.reshape(-1)])


def _main_coordinates(rows: Embeddings) -> Floats:
    """(n, at least 2) coordinates, up to 1, along the directions in which (n, dimension) different rows differ most."""
    if len(rows) == 1:
        return np.zeros((1, 2))
    pca = PCA(min(_COORDINATES, *rows.shape), random_state=0)
    coordinates = pca.fit_transform(rows.astype(np.float64))
    missing = max(0, 2 - coordinates.shape[1])
    return np.pad(coordinates / np.abs(coordinates).max(), ((0, 0), (0, missing)))


def _arranged(coordinates: Floats) -> Floats:
    count = len(coordinates)
    if count < _FEWEST_TO_ARRANGE:
        return coordinates[:, :2]
    tsne = TSNE(
        perplexity=min(_PERPLEXITY, (count - 1) / _NEIGHBOURS_PER_PERPLEXITY),
        init="pca",
        max_iter=_ROUNDS,
        angle=_ANGLE,
        random_state=0,
    )
    return np.asarray(tsne.fit_transform(coordinates), np.float64)


def _scaled(places: Floats) -> Floats:
    """Both axes by the same factor, so that distances keep their proportions."""
    low, high = places.min(axis=0), places.max(axis=0)
    half = float((high - low).max()) / 2.0
    if not half:
        return np.zeros_like(places)
    return np.asarray(np.clip((places - (low + high) / 2.0) / half, -1.0, 1.0))
