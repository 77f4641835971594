"""Profiles and candidates that score as drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np

from services.crawler.score_distribution import (
    ProfileScores,
    ScoreBin,
    ScoreBins,
    ScoreDistribution,
)

DAY = "2026-11-25"


def drawn(rng, count, *, like_liked=0.02, shift=0.0):
    """Log-likelihoods of a crawl: few that score as the liked do, many far under them."""
    liked = rng.random(count) < like_liked
    ordinary = rng.normal(-150.0 + shift, 60.0, count)
    return np.where(liked, rng.normal(60.0, 40.0, count), ordinary)


def profile_scores(rng, background_count):
    """A profile that keeps 95 % of what is liked, with a background of so many."""
    held_out = np.sort(rng.normal(60.0, 40.0, 50))
    threshold = float(np.quantile(held_out, 0.05))
    return ProfileScores(threshold, held_out, np.sort(drawn(rng, background_count)))


def distribution_of(log_likelihoods, scores, *, source="", day=DAY):
    """How the catalogue would have counted them."""
    bins = ScoreBins.of(scores)
    counts = Counter(bins.range_of(one) for one in log_likelihoods)
    found = (ScoreBin(low, high, count) for (low, high), count in sorted(counts.items()))
    return ScoreDistribution(source, day, tuple(found))
