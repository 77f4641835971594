from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.score_distribution import (
    ProfileScores,
    ScoreBin,
    ScoreBins,
    ScoreDistribution,
    pooled,
)

FINITE = st.floats(-1e6, 1e6)
SORTED = st.lists(FINITE, max_size=60).map(sorted).map(np.array)
WITHOUT_BACKGROUND = ProfileScores(10.0, np.linspace(8.0, 40.0, 50), np.array([]))


@given(FINITE, SORTED, SORTED, st.lists(FINITE, min_size=1, max_size=20))
def test_bins_tell_what_passed(threshold, held_out, background, log_likelihoods):
    """Whatever the profile: few bins, each score in the one that holds it, and none across the threshold."""
    bins = ScoreBins.of(ProfileScores(threshold, held_out, background))
    assert len(bins.edges) <= 33
    for one in [*log_likelihoods, threshold]:
        low, high = bins.range_of(one)
        assert low <= one < high
        assert (low >= threshold) == (one >= threshold)


def test_bins_are_narrow_where_the_background_is():
    """No bin holds more than a tenth of the background, wherever it lies; the same scores give the same bins."""
    rng = np.random.default_rng(0)
    background = np.sort(rng.normal(-2000.0, 30.0, 2000))
    scores = ProfileScores(100.0, np.sort(rng.normal(150.0, 30.0, 60)), background)
    bins = ScoreBins.of(scores)
    counts, _ = np.histogram(background, (-np.inf, *bins.edges, np.inf))
    assert counts.max() <= 0.1 * len(background)
    assert ScoreBins.of(scores) == bins


def test_without_a_background_bins_widen_away_from_the_threshold():
    """Candidates far under it are told apart all the same."""
    bins = ScoreBins.of(WITHOUT_BACKGROUND)
    ranges = {bins.range_of(one) for one in (9.0, 0.0, -50.0, -500.0, -5000.0)}
    assert len(ranges) == 5
    assert bins.range_of(-1e9)[0] == -math.inf
    assert bins.range_of(1e9)[1] == math.inf


def test_a_profile_with_one_value_has_bins():
    """All held-out scores alike: two bins, and the threshold between them."""
    bins = ScoreBins.of(ProfileScores(3.0, np.array([3.0, 3.0]), np.array([])))
    assert bins.edges == (3.0,)


def test_counts_and_steps():
    """Candidates under each end of a bin; what is at or over the threshold has passed."""
    bins = (ScoreBin(-math.inf, -5.0, 3), ScoreBin(0.0, 2.0, 1))
    distribution = ScoreDistribution("folder:/a", "2026-11-25", bins)
    assert distribution.candidate_count == 4
    assert distribution.passed_count(0.0) == 1
    assert distribution.passed_count(2.0) == 0
    ends, under = distribution.steps()
    assert ends.tolist() == [-math.inf, -5.0, 0.0, 2.0]
    assert under.tolist() == [0.0, 0.75, 0.75, 1.0]


def test_sources_are_pooled_by_day():
    """The same range of two sources is one bin; another day stays out."""
    day, other = "2026-11-25", "2026-11-24"
    given_ones = [
        ScoreDistribution("a", day, (ScoreBin(0.0, 1.0, 2), ScoreBin(1.0, 2.0, 1))),
        ScoreDistribution("b", day, (ScoreBin(-1.0, 0.0, 5), ScoreBin(0.0, 1.0, 4))),
        ScoreDistribution("a", other, (ScoreBin(0.0, 1.0, 9),)),
    ]
    expected = (ScoreBin(-1.0, 0.0, 5), ScoreBin(0.0, 1.0, 6), ScoreBin(1.0, 2.0, 1))
    assert pooled(given_ones, day) == ScoreDistribution("", day, expected)
    assert pooled(given_ones, "2026-11-23").candidate_count == 0


@pytest.mark.parametrize("count", [8, 21, 2000])
def test_the_background_is_under_its_own_bins_as_it_is(count):
    """Counting the background itself gives its cumulative shares at every edge."""
    background = np.sort(np.random.default_rng(count).normal(size=count))
    scores = ProfileScores(0.5, np.array([0.2, 1.0]), background)
    bins = ScoreBins.of(scores)
    ranges = [bins.range_of(one) for one in background]
    counted = sorted((low, high, ranges.count((low, high))) for low, high in set(ranges))
    distribution = ScoreDistribution("", "d", tuple(ScoreBin(*one) for one in counted))
    ends, under = distribution.steps()
    assert under == pytest.approx(np.searchsorted(background, ends) / count)
