"""Chooses the form of the covariances and the number of components by held-out likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

import numpy as np

from services.novelty.fit.fitter import Fitter
from services.novelty.mixture import Covariance, Embeddings, Mixture

SHRUNK_FLOOR: Final = 0.1
"""What is added to each variance, where their mean is about 1, when forms compete: the same for all of them."""

_COUNTS: Final = (1, 2, 3, 4, 6, 8, 12, 16)
# With 15, held-out likelihood takes two or three for 48 photos, and those tell photos apart worse than one does.
_LIKED_PER_COMPONENT: Final = 50
_ROWS_PER_COORDINATE: Final = 3
# Of more coordinates full matrices take too long: 10,000 rows of 1280 were not fitted within 8 minutes.
_WIDEST_MATRICES: Final = 768
_ROWS_TO_CHOOSE_ON: Final = 2000
_ROWS_WITH_MATRICES: Final = 12_000
_FOLDS: Final = 3
_FEWEST_ROWS: Final = 2.0
_WIDEST_GAP: Final = 0.5
_TRIES_WITHOUT_GAIN: Final = 2
# Nats per coordinate: what a less simple mixture must be better by.
_LEAST_GAIN: Final = 0.02


@dataclass(frozen=True, slots=True)
class Choice:
    """What to fit.

    Attributes:
        fitter: Fits the chosen form.
        count: How many components.
    """

    fitter: Fitter
    count: int


def counts_for(liked_count: int) -> list[int]:
    """The component counts that are worth trying for so many liked images, ascending."""
    most = max(1, liked_count // _LIKED_PER_COMPONENT)
    return [count for count in _COUNTS if count <= most]


def forms_for(liked_count: int, dimension: int) -> list[Covariance]:
    """The forms worth trying: full matrices only with three images or more for each coordinate, and up to 768 of these.

    With fewer, held-out likelihood prefers them and they tell photos apart worse: `docs/taste.md` has the numbers.
    """
    if dimension > _WIDEST_MATRICES or liked_count < _ROWS_PER_COORDINATE * dimension:
        return [Covariance.DIAG]
    return [Covariance.DIAG, Covariance.TIED, Covariance.FULL]


def choose(rows: Embeddings, fitter: Fitter, forms: list[Covariance], count: int) -> Choice:
    """The form and count whose mixtures find held-out rows likeliest.

    What is less simple must be better by 0.02 nats per coordinate. Degenerate mixtures are passed over; if all
    are, one component of the simplest form is left.

    Args:
        rows: (n, dimension); chosen on at most 2,000, and 12,000 where full matrices are tried.
        fitter: Fits the first form. Several are fitted like it with a floor of 0.1.
        forms: From the simplest on.
        count: How many components were asked for; 0 chooses.
    """
    tried = [fitter]
    if len(forms) > 1:
        tried = [replace(fitter, covariance=form, floor=SHRUNK_FLOOR) for form in forms]
    if len(tried) == 1 and (count or len(counts_for(len(rows))) == 1):
        return Choice(tried[0], count or 1)
    limit = _ROWS_TO_CHOOSE_ON if len(forms) == 1 else _ROWS_WITH_MATRICES
    order = np.random.default_rng(fitter.seed).permutation(len(rows))[:limit]
    some = rows[np.sort(order)]
    best, most = Choice(tried[0], count or 1), -np.inf
    for one in tried:
        for candidate, evidence in _tries(some, one, count):
            if evidence > most + _LEAST_GAIN * some.shape[1]:
                best, most = candidate, evidence
    return best


def is_degenerate(mixture: Mixture, row_count: int, *, gap_nats: float) -> bool:
    """Whether a mixture learned its images by heart, or has components with the weight of fewer than two images.

    Args:
        mixture: Fitted to `row_count` rows.
        row_count: How many.
        gap_nats: By how much likelier it finds them than rows that it was not fitted to, per coordinate.
    """
    smallest = float(mixture.weights.min()) * row_count
    is_empty = mixture.component_count > 1 and smallest < _FEWEST_ROWS
    return is_empty or not isfinite(gap_nats) or gap_nats > _WIDEST_GAP


def _tries(rows: Embeddings, fitter: Fitter, count: int) -> Iterator[tuple[Choice, float]]:
    """Each count with its evidence, ascending, until more components stop to help."""
    most, without_gain = -np.inf, 0
    for tried in [count] if count else _counts(fitter.covariance, rows.shape):
        evidence = _evidence(rows, fitter, tried)
        yield Choice(fitter, tried), evidence
        without_gain = 0 if evidence > most else without_gain + 1
        most = max(most, evidence)
        if without_gain == _TRIES_WITHOUT_GAIN:
            return


def _counts(form: Covariance, shape: tuple[int, ...]) -> list[int]:
    row_count, dimension = shape
    counts = counts_for(row_count)
    if form is Covariance.FULL:
        # One full component is one tied component.
        most = row_count // (_ROWS_PER_COORDINATE * dimension)
        return [count for count in counts if 1 < count <= most]
    return counts


def _evidence(rows: Embeddings, fitter: Fitter, count: int) -> float:
    """The mean log-likelihood of held-out rows, nats; minus infinity for a degenerate mixture."""
    folds = fitter.folds(len(rows), _FOLDS)
    if len(rows) == _ROWS_WITH_MATRICES:
        folds = folds[:1]  # one third of so many says enough
    means = []
    for fold in folds:
        rest = np.delete(rows, fold, axis=0)
        mixture = fitter.fit(rest, min(count, len(rest)))
        seen, held_out = mixture.log_likelihoods(rest), mixture.log_likelihoods(rows[fold])
        gap_nats = float(seen.mean() - held_out.mean()) / mixture.dimension
        if is_degenerate(mixture, len(rest), gap_nats=gap_nats):
            return -np.inf
        means.append(held_out.mean())
    return float(np.mean(means))
