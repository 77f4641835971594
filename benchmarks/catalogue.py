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

from benchmarks.cataloguing import load
from benchmarks.serving.machine import machine_facts
from services.crawler.catalogue.postgres_server import parse_server

LEASES_GOAL = 5_000


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
    return rates | asyncio.run(load.measure(place, folder, count))


def _goals(rates: dict[str, float]) -> dict[str, dict[str, Any]]:
    return {
        "leases a second": {
            "goal": f">= {LEASES_GOAL}",
            "measured": rates["leases"],
            "met": rates["leases"] >= LEASES_GOAL,
        },
    }


if __name__ == "__main__":
    sys.exit(main())
