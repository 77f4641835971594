from __future__ import annotations

import math
from functools import partial

from sqlalchemy import func, select

from services.crawler.catalogue import score_counts
from services.crawler.catalogue.schema import score_counts as table
from services.crawler.judgement import ProfileVersion
from services.crawler.score_distribution import ScoreBin, ScoreDistribution

PROFILE = ProfileVersion("landscapes", 1)
NOON = 1_795_608_000.0  # 2026-11-25 12:00 UTC
DAY_S = 86_400.0
LOW, HIGH = (-math.inf, 0.0), (0.0, math.inf)


async def count(database, *scored, source="folder:/a", profile=PROFILE, now=NOON):
    """Counts candidates, each of its range."""

    def work(connection):
        for one in scored:
            score_counts.count_scores(connection, profile, {(source, one): 1}, now=now)

    await database.run(work)


async def distributions(database, profile=PROFILE, max_days=14):
    return await database.run(
        partial(score_counts.list_distributions, profile=profile, max_days=max_days)
    )


async def test_candidates_are_counted_by_day_and_source(database):
    """Open ends survive the table; days newest first, then sources by name."""
    await count(database, LOW, HIGH, LOW, source="folder:/b")
    await count(database, HIGH)
    await count(database, LOW, now=NOON - DAY_S)
    assert await distributions(database) == [
        ScoreDistribution("folder:/a", "2026-11-25", (ScoreBin(*HIGH, 1),)),
        ScoreDistribution("folder:/b", "2026-11-25", (ScoreBin(*LOW, 2), ScoreBin(*HIGH, 1))),
        ScoreDistribution("folder:/a", "2026-11-24", (ScoreBin(*LOW, 1),)),
    ]


async def test_days_are_those_of_utc(database):
    """A second before midnight is another day than midnight."""
    midnight = NOON + DAY_S / 2
    await count(database, LOW, now=midnight - 1)
    await count(database, LOW, now=midnight)
    days = [one.day for one in await distributions(database)]
    assert days == ["2026-11-26", "2026-11-25"]


async def test_every_version_has_its_own(database):
    """Another version and another profile of the same day are counted apart."""
    await count(database, LOW)
    await count(database, HIGH, profile=ProfileVersion("landscapes", 2))
    await count(database, HIGH, profile=ProfileVersion("sunsets", 1))
    [only] = await distributions(database)
    assert only.bins == (ScoreBin(*LOW, 1),)
    assert await distributions(database, ProfileVersion("sunsets", 2)) == []


async def test_only_the_last_days_that_have_candidates(database):
    """Days without any do not count as days."""
    for back in (0, 3, 30):
        await count(database, LOW, now=NOON - back * DAY_S)
    days = [one.day for one in await distributions(database, max_days=2)]
    assert days == ["2026-11-25", "2026-11-22"]


async def test_old_days_are_dropped(database):
    """The first candidate of a day takes away what is over 400 days old, whatever its profile."""
    await count(database, LOW, profile=ProfileVersion("sunsets", 7), now=NOON - 401 * DAY_S)
    await count(database, LOW, now=NOON - 400 * DAY_S)
    await count(database, LOW, HIGH, HIGH)
    days = select(table.c.day, func.sum(table.c.candidate_count)).group_by(table.c.day)
    rows = await database.run(lambda c: c.execute(days.order_by(table.c.day)).all())
    assert rows == [("2025-10-21", 1), ("2026-11-25", 3)]
