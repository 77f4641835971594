"""How candidates scored, counted by profile version, day and source."""

from __future__ import annotations

import datetime as dt
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, delete, select

from services.crawler.catalogue.schema import score_counts
from services.crawler.catalogue.upsert import Upsert
from services.crawler.judgement import ProfileVersion
from services.crawler.score_distribution import Range, ScoreBin, ScoreDistribution

KEPT_DAYS: Final = 400

# Built once, with the values bound: building a statement costs six times what running it does (measured).
_COUNT = Upsert(
    lambda insert: (
        insert(score_counts)
        .on_conflict_do_update(
            index_elements=score_counts.primary_key,
            set_={"candidate_count": score_counts.c.candidate_count + 1},
        )
        .returning(score_counts.c.candidate_count)
    )
)


def count_score(
    connection: Connection, profile: ProfileVersion, source: str, scored: Range, *, now: float
) -> None:
    """Counts a candidate that scored in a range under a profile version.

    A range's first candidate of the day takes with it what was counted more than 400 days ago.
    """
    row = {
        "profile_name": profile.name,
        "profile_version": profile.version,
        "day": _day(now),
        "source": source,
        "low_nats": scored[0],
        "high_nats": scored[1],
        "candidate_count": 1,
    }
    if connection.execute(_COUNT.on(connection), row).scalar_one() == 1:
        oldest = _day(now - KEPT_DAYS * 86_400)
        connection.execute(delete(score_counts).where(score_counts.c.day < oldest))


def list_distributions(
    connection: Connection, profile: ProfileVersion, *, max_days: int
) -> list[ScoreDistribution]:
    """Returns the last so many days that have candidates: by day, newest first, then by source."""
    of_profile = (
        score_counts.c.profile_name == profile.name,
        score_counts.c.profile_version == profile.version,
    )
    days = (
        select(score_counts.c.day)
        .where(*of_profile)
        .distinct()
        .order_by(score_counts.c.day.desc())
        .limit(max_days)
    )
    query = (
        select(score_counts)
        .where(*of_profile, score_counts.c.day.in_(days))
        .order_by(score_counts.c.day.desc(), score_counts.c.source, score_counts.c.low_nats)
    )
    rows = connection.execute(query)
    return [
        ScoreDistribution(
            source,
            day,
            tuple(ScoreBin(one.low_nats, one.high_nats, one.candidate_count) for one in group),
        )
        for (day, source), group in groupby(rows, key=lambda row: (row.day, row.source))
    ]


def _day(time: float) -> str:
    return dt.datetime.fromtimestamp(time, dt.UTC).date().isoformat()
