"""How a taste does as it learns from more images."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

import numpy as np

from benchmarks.tasting.photos import Photos
from benchmarks.tasting.simulated import Population, clip_shaped
from benchmarks.tasting.trials import fit
from services.novelty.calibration import separation
from services.novelty.mixture import Embeddings, Floats
from services.novelty.profile import Taste

COUNTS: Final = (15, 30, 60, 100, 1000, 10_000)
CLIP_COUNTS: Final = (100, 1000, 10_000, 100_000)

_UNSEEN: Final = 5000
_FEW: Final = 1000
_DRAWS_OF_FEW: Final = 5


def of_photos(liked: Photos, other: Photos, draws: int) -> dict[int, float]:
    """The mean AUC over so many draws of 15 and 30 photos to learn from; what is left is told from the others.

    Of all photos each is told from the others by a fit to the rest of them.
    """
    rows = liked.embeddings
    found = {}
    for count in (count for count in (15, 30) if count < len(rows)):
        aucs = []
        for draw in range(draws):
            order = np.random.default_rng(draw).permutation(len(rows))
            mixture = fit(rows[order[:count]]).mixture
            own = mixture.log_likelihoods(rows[order[count:]])
            aucs.append(separation(own, mixture.log_likelihoods(other.embeddings)))
        found[count] = float(np.mean(aucs))
    found[len(rows)] = float(np.mean([_auc_of_one(rows, one, other) for one in range(len(rows))]))
    return found


def of_drawn(population: Population, other: Photos, most: int) -> dict[int, dict[str, Any]]:
    """Means over five draws, one draw of 10,000; told from the other photos, and from drawn ones.

    The drawn ones spread as the liked do, around the centres of the other photos.
    """
    unseen = population.draw(_UNSEEN, 4)
    elsewhere = Population.of(other.embeddings, len(population.centres), 0).centres
    drawn = replace(population, centres=elsewhere).draw(_UNSEEN, 1)
    found = {}
    for count in (count for count in COUNTS if count <= most):
        started_s = time.process_time()
        draws = _DRAWS_OF_FEW if count <= _FEW else 1
        tastes = [fit(population.draw(count, 5 + draw)) for draw in range(draws)]
        cpu_s = (time.process_time() - started_s) / draws
        own = [taste.mixture.log_likelihoods(unseen) for taste in tastes]
        pairs = list(zip(tastes, own, strict=True))
        found[count] = {
            "auc_of_photos": _mean_auc(pairs, other.embeddings),
            "auc_of_drawn": _mean_auc(pairs, drawn),
            "kept": float(np.mean([(one >= taste.threshold_nats).mean() for taste, one in pairs])),
            "draws": draws,
            "cpu_s_of_a_fit": cpu_s,
            **_form(tastes[0]),
        }
    return found


def of_clip_shaped(most: int) -> dict[int, dict[str, Any]]:
    """What is fitted to ever more CLIP-shaped embeddings, whether it is degenerate, and what passes of unseen ones."""
    population = clip_shaped(0)
    unseen = population.draw(_UNSEEN, 1)
    found = {}
    for count in (count for count in CLIP_COUNTS if count <= most):
        rows = population.draw(count, 2)
        started_s = time.process_time()
        taste = fit(rows)
        found[count] = {
            "cpu_s": time.process_time() - started_s,
            "smallest_component": float(taste.mixture.weights.min() * count),
            "kept": float(np.mean(taste.mixture.log_likelihoods(unseen) >= taste.threshold_nats)),
            **_form(taste),
        }
    return found


def _form(taste: Taste) -> dict[str, Any]:
    return {
        "form": taste.mixture.covariance.value,
        "components": taste.mixture.component_count,
        "degenerate": any("degenerate" in sentence for sentence in taste.warnings),
    }


def _auc_of_one(rows: Embeddings, one: int, other: Photos) -> float:
    mixture = fit(np.delete(rows, one, axis=0)).mixture
    own = mixture.log_likelihoods(rows[one : one + 1])
    return separation(own, mixture.log_likelihoods(other.embeddings))


def _mean_auc(pairs: list[tuple[Taste, Floats]], others: Embeddings) -> float:
    return float(
        np.mean([separation(own, taste.mixture.log_likelihoods(others)) for taste, own in pairs])
    )
