from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from services.novelty.calibration import threshold_of, threshold_passed_by
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


@pytest.mark.parametrize("count", range(8, 32))
def test_the_expected_share_is_the_mean(count):
    """At the threshold of a keep ratio it is what passes of unseen images, on average over many draws."""
    rng = np.random.default_rng(1000 + count)
    shares, expected = [], set()
    for _ in range(2000):
        held_out = rng.random(count)
        threshold = threshold_of(held_out, 0.9)
        shares.append(1.0 - threshold)
        expected.add(estimate_share(held_out, threshold).expected)
    assert len(expected) == 1
    assert np.mean(shares) == pytest.approx(expected.pop(), abs=0.006)


@pytest.mark.parametrize(
    ("count", "keep_ratio", "expected"),
    [(8, 0.95, 8 / 9), (15, 0.95, 0.9375), (18, 0.95, 18 / 19), (39, 0.95, 0.95), (60, 1.0, 60 / 61)],
)  # fmt: skip
def test_what_few_can_promise(count, keep_ratio, expected):
    """No more than n / (n + 1)."""
    held_out = np.arange(float(count))
    found = estimate_share(held_out, threshold_of(held_out, keep_ratio))
    assert found.expected == pytest.approx(expected)


def test_a_threshold_that_is_no_score():
    """Directly over one it is what is expected over that; between two the middle; beyond all half a step."""
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    thresholds = [0.0, 1.0, 1.5, 2.0, 2.5, np.nextafter(4.0, 5.0), 9.0]
    found = [estimate_share(scores, threshold).expected for threshold in thresholds]
    assert found == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.2, 0.1])


@pytest.mark.parametrize("pass_ratio", [0.01, 0.1])
def test_the_expected_share_of_a_background_is_the_mean(pass_ratio):
    """With 21 images one in a hundred cannot be said: one in 22 passes, and so it is stated."""
    rng = np.random.default_rng(0)
    shares, expected = [], []
    for _ in range(4000):
        background = rng.random(21)
        threshold = threshold_passed_by(background, pass_ratio)
        shares.append(1.0 - threshold)
        expected.append(estimate_share(background, threshold).expected)
    assert np.mean(shares) == pytest.approx(np.mean(expected), abs=0.003)
