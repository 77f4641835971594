"""Score distributions between the contract's messages and the domain."""

from __future__ import annotations

from dataclasses import asdict

from lodestone.crawler.v1 import kept_image_pb2 as pb
from services.crawler.score_distribution import ScoreDistribution
from services.crawler.scores.score_drift import ScoreDrift


def distribution_to_message(
    distribution: ScoreDistribution, drift: ScoreDrift | None, threshold_nats: float
) -> pb.ScoreDistribution:
    """Writes a distribution, and how it compares."""
    return pb.ScoreDistribution(
        source=distribution.source,
        day=distribution.day,
        candidate_count=distribution.candidate_count,
        passed_count=distribution.passed_count(threshold_nats),
        bins=[pb.ScoreBin(**asdict(one)) for one in distribution.bins],
        drift=drift_to_message(drift),
    )


def drift_to_message(drift: ScoreDrift | None) -> pb.ScoreDrift | None:
    """Writes how candidates compare."""
    return pb.ScoreDrift(**asdict(drift)) if drift else None
