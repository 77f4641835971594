"""The catalogue: listings, leases, rejections and accepts a second, beside bare commits of the same disk.

JSON on standard output, lines for people on standard error. SQLite is measured in a folder of its own; PostgreSQL on a
server of the benchmark's own, with the settings that it comes with, on the same disk; or where `--postgresql` names an
empty database. The exit status is 1 if a goal is missed. Accepts write and sync images of 200 KB with their sidecars,
too, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

from sqlalchemy import URL

from benchmarks.cataloguing import load, team
from benchmarks.cataloguing.own_server import own_server
from benchmarks.cataloguing.team import Work
from benchmarks.serving.goal import Goal
from benchmarks.serving.machine import machine_facts
from services.crawler.catalogue.postgres_server import parse_server

_LEASES_GOAL = 5_000
_ACCEPTS_GOAL = 0.5
_IMAGES_GOAL = 1_000

_CRAWLERS = 4
# Without the disk's time for large files: what the catalogue itself takes.
_SMALL_BYTES = 2_000
# Of what a crawl fetches few are accepted.
_ACCEPT_EVERY = 50
_LEASES = {
    "leases": "held as a crawl holds them",
    "leases_all_held": "all of them held until the last",
}
# What four crawlers do for a goal over bare commits, and what is to be known of it.
_OVER_BARE = {
    "accepts_small_4_crawlers": "of 2 KB, synced with their sidecars",
    "accepts_4_crawlers": "of 200 KB, synced with their sidecars",
    "accepts_without_files_4_crawlers": "the catalogue alone",
}


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="catalogue-", dir=options.folder) as scratch:
        folder = Path(scratch)
        rates = {"sqlite": _measure(folder / "catalog.sqlite", folder / "sqlite", options.count)}
        with _server(options.postgresql, folder) as url:
            settings = load.server_settings(url)
            rates["postgresql"] = _measure(url, folder / "postgresql", options.count)
    goals = [goal for name, one in rates.items() for goal in _goals(name, one)]
    report = {
        "rates_per_s": rates,
        "goals": [goal.to_json() for goal in goals],
        "server": settings,
        "machine": machine_facts("sqlalchemy", "psycopg"),
    }
    print(json.dumps(report, indent=2))
    for goal in goals:
        print(goal, file=sys.stderr)
    return 1 if any(goal.is_missed for goal in goals) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="accepts")
    parser.add_argument("--postgresql", metavar="ADDRESS", help="an empty database")
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    return parser.parse_args()


@contextmanager
def _server(address: str | None, folder: Path) -> Iterator[URL]:
    if address:
        yield parse_server(address)
    else:
        with own_server(folder / "server") as url:
            yield url


def _measure(place: Path | URL, folder: Path, count: int) -> dict[str, float]:
    bare = Path(f"{folder}.bare") if isinstance(place, Path) else place
    before = load.bare_commits(bare, count)
    rates = asyncio.run(load.measure(place, folder, count))
    if isinstance(place, URL):
        rates |= _of_several(place, folder, count)
    # Disks that several share are quicker at times.
    return {"bare_commits": mean((before, load.bare_commits(bare, count))), **rates}


def _of_several(url: URL, folder: Path, count: int) -> dict[str, float]:
    """What four crawlers do at the same time, in accepts alone and in a crawl's mixture."""
    rates, first = {}, 1_000_000
    small, large = Work(count, 1, _SMALL_BYTES), Work(max(1, count // 4), 1, load.IMAGE_BYTES)
    for name, crawlers, work in (
        ("accepts_small", 1, small),
        ("accepts_small_4_crawlers", _CRAWLERS, small),
        ("accepts_4_crawlers", _CRAWLERS, large),
        ("accepts_without_files_4_crawlers", _CRAWLERS, Work(count, 1, 0)),
        ("images", 1, Work(4 * count, _ACCEPT_EVERY, _SMALL_BYTES)),
        ("images_4_crawlers", _CRAWLERS, Work(2 * count, _ACCEPT_EVERY, _SMALL_BYTES)),
    ):
        rates[name] = team.rate(url, folder, crawlers, work, first=first)
        first += crawlers * work.count
    return rates


def _goals(name: str, rates: dict[str, float]) -> list[Goal]:
    goals = [
        _goal(f"{name}: leases a second, {words}", rates[key], _LEASES_GOAL)
        for key, words in _LEASES.items()
    ]
    if "images_4_crawlers" in rates:
        goals += [
            _goal(
                f"{name}: {word} over bare commits",
                rates[word] / rates["bare_commits"],
                _ACCEPTS_GOAL,
                note=note,
            )
            for word, note in _OVER_BARE.items()
        ]
        goals.append(
            _goal(
                f"{name}: images a second, four crawlers", rates["images_4_crawlers"], _IMAGES_GOAL
            )
        )
    return goals


def _goal(name: str, measured: float, least: float, **more: Any) -> Goal:
    return Goal(name=name, goal=f">= {least}", measured=measured, met=measured >= least, **more)


if __name__ == "__main__":
    sys.exit(main())
