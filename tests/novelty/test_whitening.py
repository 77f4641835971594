from __future__ import annotations

import numpy as np
import pytest

from services.novelty.mixture import Covariance
from services.novelty.whitening import Whitening
from tests.novelty.tastes import mixture, unit_rows


@pytest.mark.parametrize(("components", "dimension"), [(1, 1), (2, 63), (3, 64), (2, 65), (4, 200)])
@pytest.mark.parametrize("count", [0, 1, 511, 513])
def test_distances_are_those_of_the_definition(components, dimension, count):
    """The square of (x - mean) times the factor, with blocks and chunks full, partial and empty."""
    density = mixture(Covariance.FULL, components=components, dimension=dimension)
    rows = unit_rows(count, dimension).astype(np.float64)
    factors = density.precisions_cholesky
    whitening = Whitening.of(density.means, factors)
    centred = rows[np.newaxis] - density.means[:, np.newaxis]
    expected = np.square(centred @ factors).sum(axis=2).T
    found = whitening.squared_distances(rows)
    assert found.shape == (count, components)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_all_embeddings_have_in_common_costs_no_digits():
    """Far from the origin distances are as exact as around it."""
    density = mixture(Covariance.FULL, components=3, dimension=64)
    rows = unit_rows(50, 64).astype(np.float64)
    near = Whitening.of(density.means, density.precisions_cholesky).squared_distances(rows)
    away = Whitening.of(density.means + 1000.0, density.precisions_cholesky)
    np.testing.assert_allclose(away.squared_distances(rows + 1000.0), near, rtol=1e-6)


@pytest.mark.parametrize("dimension", [1, 64, 65, 512])
def test_the_size_is_that_of_the_factors(dimension):
    """What is stated before they are laid out is what they take."""
    density = mixture(Covariance.FULL, components=3, dimension=dimension)
    whitening = Whitening.of(density.means, density.precisions_cholesky)
    taken = sum(block.factors.nbytes for block in whitening.blocks)
    assert Whitening.size_bytes(3, dimension) == taken
