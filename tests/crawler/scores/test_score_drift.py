from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from services.crawler.score_distribution import ProfileScores, ScoreDistribution
from services.crawler.scores.score_drift import (
    Passes,
    chance_of_distance,
    chance_of_shares,
    compare,
    newest_drift,
)
from tests.crawler.scored import DAY, distribution_of, drawn, profile_scores

REPEATS = 200


def share_that_differs(count, background_count, **how):
    """Of so many profiles and days, how many are found to differ."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(REPEATS):
        scores = profile_scores(rng, background_count)
        found += compare(distribution_of(drawn(rng, count, **how), scores), scores).differs
    return found / REPEATS


def test_distances_are_those_of_kolmogorov_and_smirnov():
    """With a bin for every score of the background it is scipy's statistic; coarser bins come near it from below."""
    rng = np.random.default_rng(1)
    few = profile_scores(rng, 12)
    for shift in (-80.0, 0.0, 80.0):
        candidates = drawn(rng, 400, shift=shift)
        exact = stats.ks_2samp(candidates, few.background).statistic
        # Between two neighbouring scores of the background only candidates are counted, at most up to the next one.
        assert exact - 1 / 12 <= compare(distribution_of(candidates, few), few).distance <= exact
        many = profile_scores(rng, 2000)
        exact = stats.ks_2samp(candidates, many.background).statistic
        assert exact - 0.05 <= compare(distribution_of(candidates, many), many).distance <= exact


@pytest.mark.parametrize(
    ("distance", "first", "second"), [(0.1, 100, 200), (0.31, 412, 21), (0.36, 30, 2000)]
)
def test_the_chance_of_a_distance(distance, first, second):
    """Kolmogorov's distribution at Stephens's argument is scipy's, and near the exact one."""
    root = np.sqrt(first * second / (first + second))
    scaled = (root + 0.12 + 0.11 / root) * distance
    chance = chance_of_distance(distance, first, second)
    assert chance == pytest.approx(stats.kstwobign.sf(scaled), rel=1e-9)
    assert chance == pytest.approx(stats.kstwo.sf(distance, round(root**2)), rel=0.2)
    assert chance_of_distance(0.0, first, second) == 1.0


@pytest.mark.parametrize(
    ("here", "there"),
    [((3, 100), (10, 50)), ((0, 412), (2, 21)), ((20, 1000), (3, 2000)), ((0, 30), (0, 8))],
)
def test_the_chance_of_two_shares(here, there):
    """Fisher's exact test is scipy's."""
    table = [[passed, count - passed] for passed, count in (here, there)]
    expected = stats.fisher_exact(table)[1]
    assert chance_of_shares(Passes(*here), Passes(*there)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("count", "background_count"), [(30, 21), (100, 200), (400, 2000), (2000, 2000)]
)
def test_days_like_the_background_do_not_differ(count, background_count):
    """Nothing has changed: of 200 days at most one is said to differ."""
    assert share_that_differs(count, background_count) <= 1 / REPEATS


@pytest.mark.parametrize(
    ("count", "how", "least"),
    [
        (400, {"shift": 30.0}, 0.95),
        (400, {"shift": -40.0}, 0.95),
        (400, {"like_liked": 0.1}, 0.95),
        (100, {"like_liked": 0.3}, 0.95),
        (2000, {"shift": 5.0}, 0.0),
    ],
)
def test_days_that_moved_differ(count, how, least):
    """Half a standard deviation, or five times the share that passes; what moved by little never does."""
    found = share_that_differs(count, 2000, **how)
    assert found >= least
    if least == 0.0:
        assert found == 0.0


def test_the_finding_is_a_sentence_with_the_numbers():
    """What passed here and there, and the distance with its chance."""
    rng = np.random.default_rng(2)
    scores = profile_scores(rng, 1000)
    background = f"{(scores.background >= scores.threshold_nats).mean():.1%}"
    moved = compare(distribution_of(drawn(rng, 412, shift=60.0), scores), scores)
    assert moved.finding == (
        f"of 412 candidates on {DAY}, {moved.passed:.1%} passed; of the background {background}: "
        f"they differ (distance {moved.distance:.2f}, p < 0.001)"
    )
    alike = compare(distribution_of(drawn(rng, 1412), scores), scores)
    assert f": no difference that matters (distance {alike.distance:.2f}, p = " in alike.finding
    assert alike.finding.startswith("of 1,412 candidates on ")
    more = compare(distribution_of(drawn(rng, 1000, like_liked=0.1), scores), scores)
    assert ": they differ, more pass (p < 0.001; distance 0." in more.finding


def test_few_candidates_are_too_few():
    """29 that all pass are not said to differ."""
    scores = profile_scores(np.random.default_rng(3), 1000)
    found = compare(distribution_of([1000.0] * 29, scores), scores)
    assert not found.differs
    assert found.passed == 1.0
    assert found.finding.endswith(": too few to compare, 30 are needed")
    assert compare(distribution_of([1000.0] * 30, scores), scores).differs


def test_without_candidates_or_background_there_is_nothing_to_compare():
    """None, not a finding."""
    rng = np.random.default_rng(4)
    scores = profile_scores(rng, 100)
    bare = ProfileScores(scores.threshold_nats, scores.held_out, np.array([]))
    assert compare(ScoreDistribution("", DAY, ()), scores) is None
    assert compare(distribution_of(drawn(rng, 100), bare), bare) is None
    assert newest_drift([], scores) is None


def test_the_newest_day_with_enough_candidates_is_compared():
    """All its sources together; where no day has enough, the newest."""
    rng = np.random.default_rng(5)
    scores = profile_scores(rng, 1000)

    def day(number, count, source):
        name = f"2026-11-{number}"
        return distribution_of(drawn(rng, count), scores, source=source, day=name)

    few = [day(25, 10, "a"), day(24, 9, "a")]
    assert newest_drift(few, scores).day == "2026-11-25"
    found = newest_drift([*few, day(24, 21, "b"), day(23, 500, "a")], scores)
    assert (found.day, found.candidate_count) == ("2026-11-24", 30)
