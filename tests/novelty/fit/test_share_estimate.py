from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from services.novelty.calibration import threshold_of
from services.novelty.fit.share_estimate import estimate_share


@pytest.mark.parametrize("passing", [0, 1, 30, 59, 60])
def test_the_interval_is_clopper_and_pearsons(passing):
    """It is scipy's exact interval of a proportion."""
    found = estimate_share(np.arange(60.0), 60.0 - passing)
    exact = binomtest(passing, 60).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.low <= found.expected <= found.high


def test_without_scores_there_is_no_share():
    """Nothing is said of a background that was not given."""
    assert estimate_share(np.empty(0), 0.0) is None


@pytest.mark.parametrize("count", [10, 60, 400])
def test_the_interval_holds_for_a_threshold_drawn_from_the_same_scores(count):
    """The true share of unseen images lies in it in 95 % of draws or more, and is the expected one on average."""
    rng = np.random.default_rng(0)
    unseen = np.sort(rng.standard_normal(200_000))
    inside, errors = [], []
    for _ in range(400):
        held_out = rng.standard_normal(count)
        threshold = threshold_of(held_out, 0.9)
        share = 1.0 - np.searchsorted(unseen, threshold) / len(unseen)
        found = estimate_share(held_out, threshold)
        inside.append(found.low <= share <= found.high)
        errors.append(share - found.expected)
    assert np.mean(inside) >= 0.94
    assert np.mean(errors) == pytest.approx(0.0, abs=0.015)
