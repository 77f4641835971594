from __future__ import annotations

import numpy as np
import pytest

from services.novelty.calibration import (
    drawn_evenly,
    passing_count,
    percentile_of,
    separation,
    threshold_of,
    threshold_passed_by,
)


@pytest.mark.parametrize("count", range(8, 32))
@pytest.mark.parametrize("keep_ratio", [0.5, 0.9, 0.95, 1.0])
def test_the_threshold_keeps_the_ratio(count, keep_ratio):
    """At least that share of one's own, and of unseen ones on average, as far as so few can say; and not far more."""
    rng = np.random.default_rng(1000 + count)
    kept = []
    for _ in range(2000):
        held_out = rng.random(count)
        threshold = threshold_of(held_out, keep_ratio)
        assert np.mean(held_out >= threshold) >= keep_ratio
        kept.append(1.0 - threshold)
    within_reach = min(keep_ratio, count / (count + 1))
    assert within_reach - 0.006 < np.mean(kept) < within_reach + 1 / (count + 1) + 0.006


@pytest.mark.parametrize(
    ("count", "keep_ratio", "place"),
    [(8, 0.95, 0), (18, 0.95, 0), (19, 0.95, 0), (39, 0.95, 1), (9, 0.9, 0), (29, 0.9, 2), (99, 0.01, 98)],
)  # fmt: skip
def test_the_place_of_the_threshold(count, keep_ratio, place):
    """It is the floor of (n + 1) (1 - ratio), which floating point must not take one from."""
    assert threshold_of(np.arange(float(count))[::-1], keep_ratio) == place


@pytest.mark.parametrize("count", [8, 21, 99, 100, 150, 400])
@pytest.mark.parametrize("pass_ratio", [0.01, 0.1, 0.5, 1.0])
def test_no_more_of_the_background_passes(count, pass_ratio):
    """Of the sample itself, and as many as may: none of 21 where it is one in a hundred."""
    background = np.random.default_rng(0).normal(size=count)
    passed = np.count_nonzero(background >= threshold_passed_by(background, pass_ratio))
    assert passed == passing_count(count, pass_ratio) <= count * pass_ratio


def test_a_background_that_scores_alike():
    """Where more images than may pass have one score, none of these passes."""
    background = np.array([5.0, 3.0, 3.0, 3.0, 1.0])
    assert np.count_nonzero(background >= threshold_passed_by(background, 0.5)) == 1


def test_everything_kept_is_the_lowest_score():
    """A ratio of 1 puts the threshold at the lowest held-out score, which itself passes."""
    assert threshold_of(np.array([3.0, -1.0, 2.0]), 1.0) == -1.0


def test_few_scores_do_not_extrapolate():
    """With 8 images and 0.95 the threshold is the lowest score, not below it."""
    assert threshold_of(np.arange(8.0), 0.95) == 0.0


def test_few_values_are_kept_in_order():
    """Up to 2,000 values are only sorted."""
    np.testing.assert_array_equal(drawn_evenly(np.array([2.0, -1.0, 5.0])), [-1.0, 2.0, 5.0])


def test_many_values_are_drawn_evenly():
    """The ends stay, and the quantiles hardly move."""
    values = np.random.default_rng(0).normal(size=10_007)
    drawn = drawn_evenly(values)
    assert len(drawn) == 2000
    assert (drawn[0], drawn[-1]) == (values.min(), values.max())
    quantiles = (0.05, 0.5, 0.95)
    np.testing.assert_allclose(
        np.quantile(drawn, quantiles), np.quantile(values, quantiles), atol=0.01
    )


@pytest.mark.parametrize("count", [8, 30, 200])
def test_percentiles_are_conformal(count):
    """Of unseen liked images at most p % get p or less, whatever n; and not far fewer."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        held_out = np.sort(rng.standard_t(3, count))
        found += [percentile_of(score, held_out) for score in rng.standard_t(3, 50)]
    for percent in (20.0, 50.0, 90.0):
        share = 100.0 * np.mean(np.array(found) <= percent)
        assert percent - 100.0 / (count + 1) - 2.0 < share < percent + 2.0


def test_percentiles_at_the_ends():
    """Under all of four it is 1 in 5, not 0; over all of them 100; at one of them that one counts as low."""
    held_out = np.array([1.0, 2.0, 3.0, 4.0])
    assert [percentile_of(score, held_out) for score in (0.0, 2.0, 9.0)] == [20.0, 60.0, 100.0]


def test_separation():
    """It is the share of pairs in the right order, as in the area under the ROC curve."""
    held_out, background = np.array([3.0, 1.0, 5.0]), np.array([0.0, 2.0, 5.0, 4.0])
    pairs = [high > low for high in held_out for low in background]
    assert separation(held_out, background) == pytest.approx(np.mean(pairs))
    assert separation(background + 10.0, background) == 1.0
    assert separation(held_out, np.empty(0)) == 0.0
