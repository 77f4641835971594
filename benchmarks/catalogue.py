"""The catalogue: listings, leases, rejections and accepts a second, beside bare commits of the same disk.

JSON on standard output, lines for people on standard error. SQLite is measured in a folder of its own; PostgreSQL where
`--postgresql` names an empty database. The exit status is 1 if a goal is missed. Accepts write and sync images of
200 KB with their sidecars, too, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from benchmarks.cataloguing import load, team
from benchmarks.cataloguing.team import Work
from benchmarks.serving.machine import machine_facts
from services.crawler.catalogue.postgres_server import parse_server

LEASES_GOAL = 5_000
ACCEPTS_GOAL = 0.5
IMAGES_GOAL = 1_000

_CRAWLERS = 4
# Without the disk's time for large files: what the catalogue itself takes.
_SMALL_BYTES = 2_000
# Of what a crawl fetches few are accepted.
_ACCEPT_EVERY = 50


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="catalogue-", dir=options.folder) as folder:
        places: dict[str, Path | URL] = {"sqlite": Path(folder) / "catalog.sqlite"}
        if options.postgresql:
            places["postgresql"] = parse_server(options.postgresql)
        rates = {
            name: _measure(place, Path(folder) / name, options.count)
            for name, place in places.items()
        }
    goals = {name: _goals(one) for name, one in rates.items()}
    report = {
        "rates_per_s": rates,
        "goals": goals,
        "machine": machine_facts("sqlalchemy", "psycopg"),
    }
    print(json.dumps(report, indent=2))
    for name, found in goals.items():
        for words, goal in found.items():
            print(
                f"{name:11} {words:40} goal {goal['goal']:>8}  measured {goal['measured']:.3g}",
                file=sys.stderr,
            )
    return 0 if all(goal["met"] for found in goals.values() for goal in found.values()) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="accepts")
    parser.add_argument("--postgresql", metavar="ADDRESS", help="an empty database")
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    return parser.parse_args()


def _measure(place: Path | URL, folder: Path, count: int) -> dict[str, float]:
    bare = Path(f"{folder}.bare") if isinstance(place, Path) else place
    rates = {"bare_commits": load.bare_commits(bare, count)}
    rates |= asyncio.run(load.measure(place, folder, count))
    if isinstance(place, URL):
        rates |= _of_several(place, folder, count)
    return rates


def _of_several(url: URL, folder: Path, count: int) -> dict[str, float]:
    """What four crawlers do at the same time, in accepts alone and in a crawl's mixture."""
    rates, first = {}, 1_000_000
    for name, crawlers, work in (
        ("accepts_small", 1, Work(count, 1, _SMALL_BYTES)),
        ("accepts_small_4_crawlers", _CRAWLERS, Work(count, 1, _SMALL_BYTES)),
        ("accepts_4_crawlers", _CRAWLERS, Work(max(1, count // 4), 1, load.IMAGE_BYTES)),
        ("images", 1, Work(4 * count, _ACCEPT_EVERY, _SMALL_BYTES)),
        ("images_4_crawlers", _CRAWLERS, Work(2 * count, _ACCEPT_EVERY, _SMALL_BYTES)),
    ):
        rates[name] = team.rate(url, folder, crawlers, work, first=first)
        first += crawlers * work.count
    return rates


def _goals(rates: dict[str, float]) -> dict[str, dict[str, Any]]:
    goals = {"leases a second": _goal(rates["leases"], LEASES_GOAL)}
    if "images_4_crawlers" in rates:
        bare = rates["bare_commits"]
        for name in ("accepts_small_4_crawlers", "accepts_4_crawlers"):
            goals[f"{name} / bare_commits"] = _goal(rates[name] / bare, ACCEPTS_GOAL)
        goals["images_4_crawlers a second"] = _goal(rates["images_4_crawlers"], IMAGES_GOAL)
    return goals


def _goal(measured: float, least: float) -> dict[str, Any]:
    return {"goal": f">= {least}", "measured": measured, "met": measured >= least}


if __name__ == "__main__":
    sys.exit(main())
