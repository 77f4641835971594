"""Scores that concurrent calls ask for, computed together, and one whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, pi
from typing import TypeAlias

import numpy as np

from services.novelty.mixture import Covariance, Embeddings, Mixture

Scorable: TypeAlias = tuple[Mixture, Embeddings]
"""A mixture and the (dimension,) values of one embedding."""


def compute_log_likelihoods(items: Sequence[Scorable]) -> list[float]:
    """Returns ln p(embedding | mixture) of each item in its order, nats; one computation per mixture."""
    positions_of: dict[int, list[int]] = {}
    for position, (mixture, _) in enumerate(items):
        positions_of.setdefault(id(mixture), []).append(position)
    log_likelihoods = [0.0] * len(items)
    for positions in positions_of.values():
        mixture = items[positions[0]][0]
        rows = np.stack([items[position][1] for position in positions])
        computed = mixture.quick_log_likelihoods(rows).tolist()
        for position, log_likelihood in zip(positions, computed, strict=True):
            log_likelihoods[position] = log_likelihood
    return log_likelihoods


def known_answer() -> tuple[Scorable, float]:
    """A score to compute when nobody asks, and the log-likelihood (nats) that must come out.

    Two round Gaussians around (0, 0) and (1, 0) with the weights 1/4 and 3/4, at the first one's centre.
    """
    mixture = Mixture(
        covariance=Covariance.DIAG,
        scale=1.0,
        weights=np.array([0.25, 0.75]),
        means=np.array([[0.0, 0.0], [1.0, 0.0]]),
        precisions_cholesky=np.ones((2, 2)),
    )
    expected = log((0.25 + 0.75 * exp(-0.5)) / (2.0 * pi))
    return (mixture, np.zeros(2, np.float32)), expected
