from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from services.novelty.fit import choosing
from services.novelty.fit.choosing import choose, counts_for, forms_for, is_degenerate
from services.novelty.fit.fitter import Fitter
from services.novelty.mixture import Covariance, Mixture
from tests.novelty.tastes import mixture, unit_rows


def fitter():
    return Fitter(Covariance.DIAG, 0, lambda: False)


def correlated(count, dimension=6, *, clusters=1, seed=0):
    """Clusters with one strong common direction each, which a diagonal covariance does not know."""
    rng = np.random.default_rng(seed)
    centres = 4.0 * np.eye(clusters, dimension)
    rows = []
    for centre in centres:
        mixing = np.random.default_rng(len(rows)).normal(size=(dimension, dimension)) / dimension
        mixing += np.outer(mixing[0], np.ones(dimension))
        rows.append(centre + rng.normal(size=(count // clusters, dimension)) @ mixing)
    return np.concatenate(rows).astype(np.float32)


def chosen(rows, count=0):
    choice = choose(rows, fitter(), forms_for(*rows.shape), count)
    return choice.fitter.covariance, choice.count


def test_counts_grow_with_the_liked_images():
    """Fifty images for each component, one at least and sixteen at most."""
    assert counts_for(8) == [1]
    assert counts_for(99) == [1]
    assert counts_for(200) == [1, 2, 3, 4]
    assert counts_for(300_000) == [1, 2, 3, 4, 6, 8, 12, 16]


def test_matrices_are_tried_from_three_images_a_coordinate_on():
    """Sixty photos of 1280 coordinates are fitted with diagonals alone."""
    assert forms_for(60, 1280) == [Covariance.DIAG]
    assert forms_for(1535, 512) == [Covariance.DIAG]
    assert forms_for(1536, 512) == [Covariance.DIAG, Covariance.TIED, Covariance.FULL]
    assert forms_for(300_000, 1280) == [Covariance.DIAG]


def test_held_out_likelihood_finds_the_form():
    """Independent coordinates are diagonal, one correlated cluster tied, clusters of different shapes full."""
    independent = np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32)
    assert chosen(independent) == (Covariance.DIAG, 1)
    assert chosen(correlated(600)) == (Covariance.TIED, 1)
    assert chosen(correlated(1200, clusters=2)) == (Covariance.FULL, 2)


def test_a_count_that_was_asked_for_stays():
    """Only the form is chosen then."""
    assert chosen(correlated(600), 3)[1] == 3
    assert chosen(unit_rows(20, 64), 2) == (Covariance.DIAG, 2)


def test_degenerate_mixtures_are_passed_over(monkeypatch):
    """If every one is, one diagonal component is left."""
    monkeypatch.setattr(choosing, "_WIDEST_GAP", -inf)
    assert chosen(correlated(600)) == (Covariance.DIAG, 1)


def weighted(*weights):
    parts = mixture(components=len(weights))
    return Mixture(parts.covariance, 1.0, np.array(weights), parts.means, parts.precisions_cholesky)


@pytest.mark.parametrize(
    ("density", "gap_nats", "degenerate"),
    [
        (weighted(0.5, 0.5), 0.1, False),
        (weighted(0.5, 0.5), 0.6, True),
        (weighted(0.5, 0.5), nan, True),
        (weighted(0.981, 0.019), 0.1, True),
        (weighted(0.979, 0.021), 0.1, False),
        (weighted(1.0), 0.1, False),
    ],
)
def test_what_is_degenerate(density, gap_nats, degenerate):
    """A component with fewer than 2 of 100 images, or half a nat per coordinate between seen and held out."""
    assert is_degenerate(density, 100, gap_nats=gap_nats) is degenerate
