"""How candidates scored, counted by profile version, day and source."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from itertools import groupby
from typing import Final, TypeAlias

from sqlalchemy import Connection, Executable, delete, select

from services.crawler.catalogue.many import Given, Many, types_of
from services.crawler.catalogue.schema import score_counts
from services.crawler.judgement import ProfileVersion
from services.crawler.score_distribution import Range, ScoreBin, ScoreDistribution

KEPT_DAYS: Final = 400

# A source, and the range in which a candidate of it scored.
Scored: TypeAlias = tuple[str, Range]


def _count(given: Given) -> Executable:
    new = given.into(score_counts)
    more = score_counts.c.candidate_count + new.excluded.candidate_count
    upsert = new.on_conflict_do_update(
        index_elements=score_counts.primary_key, set_={"candidate_count": more}
    )
    return upsert.returning(score_counts.c.candidate_count)


_COLUMNS = (
    *("profile_name", "profile_version", "day", "source"),
    *("low_nats", "high_nats", "candidate_count"),
)
_COUNT = Many(types_of(score_counts, _COLUMNS), _count)


def count_scores(
    connection: Connection, profile: ProfileVersion, scored: Mapping[Scored, int], *, now: float
) -> None:
    """Counts candidates that scored in ranges under a profile version.

    A range's first candidates of the day take with them what was counted more than 400 days ago.
    """
    rows = [
        {
            "profile_name": profile.name,
            "profile_version": profile.version,
            "day": _day(now),
            "source": source,
            "low_nats": low_nats,
            "high_nats": high_nats,
            "candidate_count": count,
        }
        # In one order, so that two crawlers do not wait for each other.
        for (source, (low_nats, high_nats)), count in sorted(scored.items())
    ]
    totals = set(_COUNT.run(connection, rows).scalars()) if rows else set()
    # A range that had none before has no more than it got now.
    if totals & set(scored.values()):
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
