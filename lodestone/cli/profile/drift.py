"""How candidates scored lately, and whether they are still like the background sample of a profile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import grpc
import typer

from lodestone.cli.errors import plain_reason
from lodestone.cli.output import Output
from lodestone.cli.running import crawler_client
from lodestone.cli.words import one_line
from lodestone.client import ServiceUnreachable
from lodestone.crawler.v1.kept_image_pb2 import ScoreDistribution, ScoreDrift
from lodestone.novelty.v1.profile_pb2 import Profile

# The newest day that has enough candidates is looked for in so many.
_DAYS = 14
_DAYS_MAX = 366
_PATIENCE_S = 10.0
_COLUMNS = ("day", "~source", ">candidates", ">passed", ">share", ">distance", "~")

DaysOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        max=_DAYS_MAX,
        help="Also list how the candidates of the last N days scored, by source.",
    ),
]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the crawler has counted under a profile version.

    Attributes:
        days: How many days somebody asked to see; 0 is only what is found.
        distributions: By day, newest first, then by source.
        drift: How the newest day with enough candidates compares; None without candidates or a background.
        unknown: Why nothing is known of them, one line; empty if the crawler has answered.
    """

    days: int
    distributions: Sequence[ScoreDistribution] = ()
    drift: ScoreDrift | None = None
    unknown: str = ""

    def of_last(self, days: int) -> list[ScoreDistribution]:
        """The distributions of the newest so many days that have candidates."""
        shown = sorted({one.day for one in self.distributions}, reverse=True)[:days]
        return [one for one in self.distributions if one.day in shown]


async def fetch_candidates(profile: Profile, days: int) -> Candidates:
    """Asks the crawler. A profile is worth showing without it: that it is away is no error.

    Args:
        profile: The version to ask about.
        days: How many days somebody wants to see, 0 to 366.
    """
    version = f"{profile.name}@{profile.version}"
    try:
        async with asyncio.timeout(_PATIENCE_S), crawler_client() as crawler:
            await crawler.require_reachable()
            answer = await crawler.list_score_distributions(version, max_days=max(days, _DAYS))
    except ServiceUnreachable as error:
        return Candidates(days, unknown=f"no crawler answers at {error.address}")
    except TimeoutError:
        return Candidates(days, unknown=f"the crawler has not answered in {_PATIENCE_S:g} s")
    except grpc.aio.AioRpcError as error:
        return Candidates(days, unknown=plain_reason(error.details() or error.code().name))
    drift = answer.drift if answer.HasField("drift") else None
    return Candidates(days, answer.distributions, drift)


def candidate_rows(candidates: Candidates) -> list[tuple[str, str]]:
    """The row of a table of facts: what is found of the newest day; none without candidates."""
    if candidates.drift:
        return [("newest day", one_line(candidates.drift.finding))]
    newest = candidates.of_last(1)
    if not newest:
        return []
    count = sum(one.candidate_count for one in newest)
    share = sum(one.passed_count for one in newest) / count
    return [("newest day", f"of {count:,} candidates on {newest[0].day}, {share:.1%} passed")]


def print_candidates(output: Output, candidates: Candidates) -> None:
    """The days that were asked for, and a warning if the newest is not like the background."""
    if candidates.days and candidates.unknown:
        output.note(f"how candidates scored is not known: {candidates.unknown}")
    elif candidates.days and not candidates.distributions:
        output.note("no candidates were scored yet")
    elif candidates.days:
        output.text("")
        output.table(_COLUMNS, map(_row, candidates.of_last(candidates.days)))
    if candidates.drift and candidates.drift.differs:
        output.note(
            f"warning: candidates of {candidates.drift.day} do not score like the background: "
            "expect another share to pass (--days 1 lists their sources)"
        )


def candidate_facts(candidates: Candidates) -> dict[str, Any]:
    """The same as the JSON object has it; null is not known."""
    shown = None if candidates.unknown else candidates.of_last(candidates.days or _DAYS)
    return {
        "drift": _drift_facts(candidates.drift),
        "score_distributions": None if shown is None else [_facts(one) for one in shown],
    }


def _row(one: ScoreDistribution) -> tuple[str, ...]:
    counts = f"{one.candidate_count:,}", f"{one.passed_count:,}"
    share = f"{one.passed_count / one.candidate_count:.1%}"
    if not one.HasField("drift"):
        return one.day, one.source, *counts, share, "–", ""
    differs = "differs" if one.drift.differs else ""
    return one.day, one.source, *counts, share, f"{one.drift.distance:.2f}", differs


def _facts(one: ScoreDistribution) -> dict[str, Any]:
    bins = [{"low_nats": b.low_nats, "high_nats": b.high_nats, "count": b.count} for b in one.bins]
    return {
        "day": one.day,
        "source": one.source,
        "candidate_count": one.candidate_count,
        "passed_count": one.passed_count,
        "drift": _drift_facts(one.drift if one.HasField("drift") else None),
        "bins": bins,
    }


def _drift_facts(drift: ScoreDrift | None) -> dict[str, Any] | None:
    if drift is None:
        return None
    names = ("day", "candidate_count", "passed", "distance", "p_value", "differs", "finding")
    return {name: getattr(drift, name) for name in names}
