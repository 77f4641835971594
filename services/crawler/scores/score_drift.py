"""Whether candidates score like the background sample that a profile was calibrated with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.crawler.score_distribution import (
    Floats,
    ProfileScores,
    ScoreDistribution,
    pooled,
)

MIN_CANDIDATES: Final = 30
_MIN_DISTANCE: Final = 0.15
_MIN_FACTOR: Final = 2.0
_MAX_CHANCE: Final = 0.001
_TERMS: Final = 100


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """How the candidates of a day compare with the background sample.

    Attributes:
        day: UTC, `2026-11-25`.
        candidate_count: How many there were.
        passed: The share of them at or over the threshold, 0 to 1.
        distance: The largest difference between the two cumulative distributions, 0 to 1.
        p_value: The chance of such a distance if both were drawn from one distribution.
        differs: Whether they differ: beyond chance, and by enough to matter.
        finding: That as a sentence with the numbers.
    """

    day: str
    candidate_count: int
    passed: float
    distance: float
    p_value: float
    differs: bool
    finding: str


@dataclass(frozen=True, slots=True)
class Passes:
    """How many of some images pass.

    Attributes:
        passed: How many are at or over the threshold.
        count: Of how many, over 0.
    """

    passed: int
    count: int

    @property
    def share(self) -> float:
        """The share that passes, 0 to 1."""
        return self.passed / self.count


def newest_drift(
    distributions: Sequence[ScoreDistribution], scores: ProfileScores
) -> ScoreDrift | None:
    """Compares the candidates of the newest day that has enough of them, or of the newest one if none has.

    None without candidates or without a background sample.
    """
    days = sorted({distribution.day for distribution in distributions}, reverse=True)
    newest = [pooled(distributions, day) for day in days]
    enough = [one for one in newest if one.candidate_count >= MIN_CANDIDATES]
    chosen = (enough or newest)[:1]
    return compare(chosen[0], scores) if chosen else None


def compare(distribution: ScoreDistribution, scores: ProfileScores) -> ScoreDrift | None:
    """Compares candidates with the background sample; None without either.

    They differ if the distance is 0.15 or more, or if twice or half the share of them passes; either with a chance
    under 0.001. Among thousands the least difference is beyond chance, and a small one matters to nobody. What passes
    is what a person sees, and too little of all to move the distance.
    """
    background = scores.background
    if not distribution.bins or not background.size:
        return None
    here = Passes(distribution.passed_count(scores.threshold_nats), distribution.candidate_count)
    there = Passes(int((background >= scores.threshold_nats).sum()), len(background))
    distance = _distance(distribution, background)
    chance = chance_of_distance(distance, here.count, there.count)
    differs, conclusion = _conclude(here, there, distance, chance)
    finding = (
        f"of {here.count:,} candidates on {distribution.day}, {here.share:.1%} passed; "
        f"of the background {there.share:.1%}: {conclusion}"
    )
    return ScoreDrift(distribution.day, here.count, here.share, distance, chance, differs, finding)


def chance_of_distance(distance: float, first_count: int, second_count: int) -> float:
    """The chance of such a distance or a larger one between two sets drawn from one distribution, 0 to 1.

    Kolmogorov's and Smirnov's limit, with the correction for small sets of Stephens, "Use of the Kolmogorov-Smirnov,
    Cramér-von Mises and related statistics without extensive tables" (1970). Distances that are taken at some places
    alone are never larger than the whole, so that for them it is an upper bound.
    """
    root = math.sqrt(first_count * second_count / (first_count + second_count))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:
        return 1.0
    terms = np.arange(1, _TERMS + 1)
    series = (-1.0) ** (terms - 1) * np.exp(-2.0 * (terms * scaled) ** 2)
    return float(np.clip(2.0 * series.sum(), 0.0, 1.0))


def chance_of_shares(here: Passes, there: Passes) -> float:
    """The chance of two shares as unlike as these if both were drawn from one population, 0 to 1.

    Fisher's exact test, both sides: the chances of all splits of what passed that are no likelier than this one.
    """
    passed, total = here.passed + there.passed, here.count + there.count
    lowest, highest = max(0, passed - here.count), min(passed, there.count)
    splits = np.array(
        [
            _log_choose(there.count, split) + _log_choose(here.count, passed - split)
            for split in range(lowest, highest + 1)
        ]
    )
    chances = np.exp(splits - _log_choose(total, passed))
    # Equal chances differ in their last digits.
    as_unlikely = chances <= chances[there.passed - lowest] * (1.0 + 1e-7)
    return float(min(1.0, chances[as_unlikely].sum()))


def _conclude(here: Passes, there: Passes, distance: float, chance: float) -> tuple[bool, str]:
    """Whether they differ, and the words for it."""
    numbers = f"distance {distance:.2f}, {_chance_text(chance)}"
    if here.count < MIN_CANDIDATES:
        return False, f"too few to compare, {MIN_CANDIDATES} are needed"
    if distance >= _MIN_DISTANCE and chance < _MAX_CHANCE:
        return True, f"they differ ({numbers})"
    of_shares = chance_of_shares(here, there)
    unlike = max(here.share, there.share) >= _MIN_FACTOR * min(here.share, there.share)
    if unlike and of_shares < _MAX_CHANCE:
        more = "more" if here.share > there.share else "fewer"
        return True, f"they differ, {more} pass ({_chance_text(of_shares)}; {numbers})"
    return False, f"no difference that matters ({numbers})"


def _distance(distribution: ScoreDistribution, background: Floats) -> float:
    ends, under = distribution.steps()
    under_there = np.searchsorted(background, ends, side="left") / len(background)
    return float(np.abs(under - under_there).max())


def _log_choose(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)


def _chance_text(chance: float) -> str:
    return "p < 0.001" if chance < _MAX_CHANCE else f"p = {chance:.2g}"
