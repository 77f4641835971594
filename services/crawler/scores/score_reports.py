"""How candidates scored under a profile version, and what that says of its background sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.crawler.catalogue import score_counts
from services.crawler.catalogue.database import Database
from services.crawler.models.model_services import ModelServices
from services.crawler.score_distribution import ScoreDistribution
from services.crawler.scores.score_drift import ScoreDrift, compare, newest_drift


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What was found.

    Attributes:
        distributions: By day, newest first, then by source; each with how it compares, None without a background.
        drift: How the newest day with enough candidates compares; None without candidates or a background.
        threshold_nats: The profile version's threshold.
    """

    distributions: Sequence[tuple[ScoreDistribution, ScoreDrift | None]]
    drift: ScoreDrift | None
    threshold_nats: float


class ScoreReports:
    """Reads what crawls have counted."""

    def __init__(self, database: Database, models: ModelServices) -> None:
        self._database = database
        self._models = models

    async def report(self, profile: str, *, max_days: int) -> ScoreReport:
        """Reports on `landscapes` or `landscapes@3`: the last so many days that have candidates.

        Raises:
            NotFound: There is no such profile.
            FailedPrecondition: It is damaged.
            Unavailable: The novelty service is away.
        """
        version = (await self._models.profile(profile)).profile
        scores = await self._models.profile_scores(version)
        found = await self._database.run(
            partial(score_counts.list_distributions, profile=version, max_days=max_days)
        )
        compared = [(one, compare(one, scores)) for one in found]
        return ScoreReport(compared, newest_drift(found, scores), scores.threshold_nats)
