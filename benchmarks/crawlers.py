"""Two crawlers against one: listings ended a second, on hosts that take their time.

JSON on standard output, lines for people on standard error. Real crawler processes share a PostgreSQL catalogue, new
for each crawl: on a server of the benchmark's own, or on the one that `--postgresql` names. 200 hosts on loopback take
200 ms for every answer; a crawler has eight requests under way at most (LODESTONE_CRAWLER_CONNECTIONS), so that it
waits most of the time, and a second one can wait as well. Everything else is as it is by default, politeness included.
Pictures are small, and the model services cost next to nothing. The exit status is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL

from benchmarks.cataloguing.own_server import new_database, own_server
from benchmarks.crawling.crawl import Plan, crawl
from benchmarks.serving.goal import Goal
from benchmarks.serving.machine import machine_facts
from services.crawler.catalogue.postgres_server import parse_server

_RATIO_GOAL: Final = 1.8
# A crawler's own default for one host.
_AT_ONCE_GOAL: Final = 4
_TEAMS: Final = (1, 2)


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    plan = Plan(options.hosts, options.each, options.latency_ms / 1e3, options.connections)
    runs: dict[int, list[dict[str, Any]]] = {team: [] for team in _TEAMS}
    with _server(options.postgresql, options.folder) as server:
        # In turns, so that what else the machine does falls on both.
        for turn in range(options.repeats):
            for team in _TEAMS:
                with new_database(server, f"crawlers_{turn}_{team}") as catalogue:
                    run = asyncio.run(crawl(plan, catalogue, team))
                runs[team].append(run)
                print(f"{team} crawler(s): {run}", file=sys.stderr)
    goals = _goals(runs)
    report = {
        "goals": [goal.to_json() for goal in goals],
        "runs": runs,
        "plan": {"hosts": plan.hosts, "each": plan.each, "connections": plan.connections},
        "machine": machine_facts("sqlalchemy", "psycopg", "aiohttp"),
    }
    print(json.dumps(report, indent=2))
    for goal in goals:
        print(goal, file=sys.stderr)
    return 1 if any(goal.is_missed for goal in goals) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=200, choices=range(1, 255), metavar="1..254")
    parser.add_argument("--each", type=int, default=20, help="listings of each host")
    parser.add_argument("--latency-ms", type=float, default=200.0, help="of each answer")
    parser.add_argument(
        "--connections", type=int, default=8, help="requests that a crawler has under way at most"
    )
    parser.add_argument("--repeats", type=int, default=2, help="crawls by each team")
    parser.add_argument("--postgresql", metavar="ADDRESS", help="where databases may be made")
    parser.add_argument("--folder", type=Path, help="where the benchmark's own server writes")
    return parser.parse_args()


@contextmanager
def _server(address: str | None, folder: Path | None) -> Iterator[URL]:
    if address:
        yield parse_server(address)
        return
    with (
        tempfile.TemporaryDirectory(prefix="crawlers-", dir=folder) as scratch,
        own_server(Path(scratch) / "postgresql") as url,
    ):
        yield url


def _goals(runs: dict[int, list[dict[str, Any]]]) -> list[Goal]:
    rates = {
        team: {
            name: statistics.median(run[name] for run in done)
            for name in ("listings_per_s", "listings_per_s_steady")
        }
        for team, done in runs.items()
    }
    ratio = rates[2]["listings_per_s"] / rates[1]["listings_per_s"]
    steady = rates[2]["listings_per_s_steady"] / rates[1]["listings_per_s_steady"]
    at_once = max(run["asked"]["most_at_once"] for done in runs.values() for run in done)
    share = max(run["cpu_share"] for run in runs[2])
    note = f"{steady:.3g} while both were at work; {share:.0%} of the CPU taken"
    return [
        Goal(name="listings a second, two crawlers over one", goal=f">= {_RATIO_GOAL}",
             measured=ratio, met=ratio >= _RATIO_GOAL, note=note),
        Goal(name="requests to one host at once", goal=f"<= {_AT_ONCE_GOAL}",
             measured=at_once, met=at_once <= _AT_ONCE_GOAL),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
