from __future__ import annotations

import numpy as np
import pytest

from services.novelty.mixture import Covariance
from services.novelty.scoring import compute_log_likelihoods, known_answer
from tests.novelty.tastes import mixture, unit_rows


def test_items_of_several_mixtures_keep_their_order():
    """Each item is scored by its own mixture, whatever stands beside it, in the digits of quick scores."""
    mixtures = [mixture(covariance, seed=seed) for seed, covariance in enumerate(Covariance)]
    items = [(mixtures[row % 3], values) for row, values in enumerate(unit_rows(20, 4))]
    expected = [density.log_likelihoods(values[np.newaxis])[0] for density, values in items]
    np.testing.assert_allclose(compute_log_likelihoods(items), expected, rtol=1e-6)


def test_mixtures_of_several_dimensions():
    """Profiles of different encoders may be scored in one batch."""
    small, large = mixture(dimension=4), mixture(dimension=6)
    items = [(small, unit_rows(1, 4)[0]), (large, unit_rows(1, 6)[0])]
    assert len(compute_log_likelihoods(items)) == 2


def test_the_known_answer():
    """What the health probe computes comes out as worked out by hand."""
    item, expected = known_answer()
    assert compute_log_likelihoods([item]) == [pytest.approx(expected, abs=1e-12)]
    assert expected == pytest.approx(-2.18758, abs=1e-5)
