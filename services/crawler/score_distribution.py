"""How candidates scored: bins that a profile version fixes once, and how many candidates fell into each."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
# Low end, inclusive, and high end, exclusive, nats.
Range: TypeAlias = tuple[float, float]

_BACKGROUND_PARTS: Final = 20
_HELD_OUT_PARTS: Final = 10
_STEPS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class ProfileScores:
    """The scores that a profile version was calibrated with; they never change.

    Attributes:
        threshold_nats: At or over this a candidate passes.
        held_out: (at most 2000,) ascending, nats: liked images under mixtures fitted without them.
        background: (at most 2000,) ascending, nats; empty if the profile has no background sample.
    """

    threshold_nats: float
    held_out: Floats
    background: Floats


@dataclass(frozen=True, slots=True)
class ScoreBins:
    """Ranges of log-likelihoods without gaps, from negative infinity to infinity.

    Attributes:
        edges: Where one range ends and the next begins, nats, ascending: at most 33.
    """

    edges: tuple[float, ...]

    @classmethod
    def of(cls, scores: ProfileScores) -> Self:
        """The bins of a profile version.

        The threshold is an edge, so that counts tell exactly how many passed. The others are scores of the profile's
        own: every twentieth of the background and every tenth of the held-out ones, so that bins are narrow where
        candidates are expected. Without a background, steps that double lead down from the threshold.
        """
        edges = [
            np.array([scores.threshold_nats]),
            _parts(scores.held_out, _HELD_OUT_PARTS),
            _parts(scores.background, _BACKGROUND_PARTS),
        ]
        if not scores.background.size and scores.held_out.size:
            spread = float(np.ptp(scores.held_out))
            edges.append(scores.threshold_nats - spread * 2.0 ** np.arange(-3, _STEPS - 3))
        return cls(tuple(np.unique(np.concatenate(edges)).tolist()))

    def range_of(self, log_likelihood: float) -> Range:
        """The range that a log-likelihood (nats) falls into."""
        place = bisect_right(self.edges, log_likelihood)
        low = self.edges[place - 1] if place else -np.inf
        high = self.edges[place] if place < len(self.edges) else np.inf
        return low, high


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """How many candidates scored in a range.

    Attributes:
        low_nats: The lower end, inclusive; negative infinity for the lowest bin.
        high_nats: The upper end, exclusive; infinity for the highest bin.
        count: How many.
    """

    low_nats: float
    high_nats: float
    count: int


@dataclass(frozen=True, slots=True)
class ScoreDistribution:
    """How the candidates of one day scored under one profile version.

    Attributes:
        source: The source that listed them; empty for all.
        day: UTC, `2026-11-25`.
        bins: Ascending; those without candidates are left out.
    """

    source: str
    day: str
    bins: tuple[ScoreBin, ...]

    @property
    def candidate_count(self) -> int:
        """How many candidates were scored."""
        return sum(one.count for one in self.bins)

    def passed_count(self, threshold_nats: float) -> int:
        """How many of them were at or over a threshold that is an edge of the bins."""
        return sum(one.count for one in self.bins if one.low_nats >= threshold_nats)

    def steps(self) -> tuple[Floats, Floats]:
        """The ends of the bins, (k,) ascending, nats, and the share of candidates under each of them, (k,)."""
        ends = np.array([(one.low_nats, one.high_nats) for one in self.bins]).ravel()
        counts = np.array([one.count for one in self.bins])
        under = np.cumsum(counts)
        shares = np.column_stack([under - counts, under]).ravel() / under[-1]
        return ends, shares


def pooled(distributions: Iterable[ScoreDistribution], day: str) -> ScoreDistribution:
    """All candidates of one day, whatever their source."""
    counts: Counter[Range] = Counter()
    for distribution in distributions:
        if distribution.day == day:
            for one in distribution.bins:
                counts[one.low_nats, one.high_nats] += one.count
    bins = (ScoreBin(low, high, count) for (low, high), count in sorted(counts.items()))
    return ScoreDistribution("", day, tuple(bins))


def _parts(scores: Floats, count: int) -> Floats:
    """Scores that cut (n,) ascending ones into equal parts, the lowest and the highest included."""
    if not scores.size:
        return scores
    positions = np.linspace(0, len(scores) - 1, count + 1).round().astype(int)
    return np.asarray(scores[positions])
