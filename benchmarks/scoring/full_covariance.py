"""Full covariances against scikit-learn's, in one process on one core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from benchmarks.scoring.embeddings import MadeUpEmbeddings
from services.novelty.mixture import Covariance, Floats, Mixture

COMPONENTS: Final = 16
DIMENSION: Final = 512

# What differs less than this share of the threshold from it may get either verdict.
_MARGIN: Final = 1e-4
_LIKED_PER_COMPONENT: Final = 600
_FLOOR: Final = 1e-3


def measure(rows: int, repeats: int) -> dict[str, Any]:
    """Scores the same rows with both, in turns, and says what they cost and where they differ."""
    made_up = MadeUpEmbeddings(DIMENSION, COMPONENTS, seed=1)
    mixture = _learn(made_up)
    embeddings = _sample(made_up, rows)
    # sklearn gets what it would have: double precision, already scaled.
    scaled = embeddings.astype(np.float64) / mixture.scale
    sklearn = _as_sklearn(mixture)
    with threadpool_limits(1):
        costs = _in_turns(
            {
                "sklearn": lambda: sklearn.score_samples(scaled),
                "quick": lambda: mixture.quick_log_likelihoods(embeddings),
                "exact": lambda: mixture.log_likelihoods(embeddings),
            },
            repeats,
        )
        expected = sklearn.score_samples(scaled) - DIMENSION * np.log(mixture.scale)
        found = mixture.quick_log_likelihoods(embeddings)
        again = mixture.quick_log_likelihoods(embeddings)
    per_row = {name: [1e6 * cost / rows for cost in some] for name, some in costs.items()}
    middle = {name: statistics.median(some) for name, some in per_row.items()}
    return {
        "ratio": round(middle["sklearn"] / middle["quick"], 2),
        "largest_relative_difference": float(np.max(np.abs(found / expected - 1.0))),
        "verdicts_changed_outside_margin": _changed(found, expected),
        "is_the_same_twice": bool(np.array_equal(found, again)),
        "cpu_us_per_embedding": {name: round(value, 1) for name, value in middle.items()},
        "least_to_most_us": {
            name: [round(min(some), 1), round(max(some), 1)] for name, some in per_row.items()
        },
        "log_likelihoods": [round(float(value)) for value in np.percentile(expected, [0, 50, 100])],
        "rows": rows,
        "repeats": repeats,
    }


def _learn(made_up: MadeUpEmbeddings) -> Mixture:
    """Each cluster's own mean and covariance: what a fit would come to, without its minutes."""
    parts = [
        made_up.of_cluster(cluster, _LIKED_PER_COMPONENT, seed=100 + cluster).astype(np.float64)
        for cluster in range(COMPONENTS)
    ]
    scale = float(np.concatenate(parts).std())
    floor = _FLOOR * np.eye(DIMENSION)
    lower = np.linalg.cholesky(np.stack([np.cov(part.T / scale) + floor for part in parts]))
    return Mixture(
        covariance=Covariance.FULL,
        scale=scale,
        weights=np.full(COMPONENTS, 1 / COMPONENTS),
        means=np.stack([part.mean(axis=0) / scale for part in parts]),
        precisions_cholesky=np.triu(np.linalg.inv(lower).transpose(0, 2, 1)),
    )


def _sample(made_up: MadeUpEmbeddings, rows: int) -> npt.NDArray[np.float32]:
    """Half like the liked ones; the others ever farther away, to the opposite of anything liked."""
    near = made_up.draw(rows, seed=7).astype(np.float64)
    away = np.random.default_rng(8).normal(size=near.shape)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    shares = np.clip(np.linspace(-1.0, 1.0, rows), 0.0, 1.0)[:, np.newaxis]
    mixed = (1.0 - shares) * near + shares * away
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.asarray(mixed, np.float32)


def _as_sklearn(mixture: Mixture) -> GaussianMixture:
    estimator = GaussianMixture(COMPONENTS, covariance_type="full")
    estimator.weights_ = mixture.weights
    estimator.means_ = mixture.means
    estimator.precisions_cholesky_ = mixture.precisions_cholesky
    return estimator


def _in_turns(
    computations: dict[str, Callable[[], Floats]], repeats: int
) -> dict[str, list[float]]:
    """CPU seconds of each; the first turn only warms up."""
    costs: dict[str, list[float]] = {name: [] for name in computations}
    for repeat in range(-1, repeats):
        for name, compute in computations.items():
            started_s = time.process_time()
            compute()
            if repeat >= 0:
                costs[name].append(time.process_time() - started_s)
    return costs


def _changed(found: Floats, expected: Floats) -> int:
    """How many verdicts differ, over 1,000 thresholds, of embeddings outside a threshold's margin."""
    thresholds = np.quantile(expected, np.linspace(0.0, 1.0, 1000))[:, np.newaxis]
    outside = np.abs(expected - thresholds) > _MARGIN * np.abs(thresholds)
    differ = (found >= thresholds) != (expected >= thresholds)
    return int((differ & outside).sum())
