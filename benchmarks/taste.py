"""Taste: what a profile tells apart and how well its threshold keeps its word, goals beside measured values.

JSON on standard output, lines for people on standard error. With --photos the folders liked/ and other/ of DIR are
used, photos of other/ that would be liked left out with --leave-out; without it the sample photos of `make run`, which
are few: their numbers say little. Drawn embeddings are of populations fitted to either. With --large a fit to so many
embeddings of 512 coordinates is measured instead, alone and through the service. The exit status is 1 if a fit is
degenerate, a threshold off, more images do worse, or a large fit takes too much.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.serving.goal import Goal
from benchmarks.tasting import growth, large
from benchmarks.tasting.goals import goals_of, goals_of_large
from benchmarks.tasting.photos import PhotoReader, Photos
from benchmarks.tasting.simulated import Population, clip_shaped
from benchmarks.tasting.trials import by_source, calibration, repeated_folds
from samples.photo_folder import Role
from samples.photos import fetch_sample_photos

_ROOT = Path(__file__).resolve().parents[1]
_SPLITS = 20
_CLUSTERS = 4
_UNSEEN = 5000
# A few minutes for what anybody runs, all of it for photos that are worth it.
_QUICK = 1000


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    if options.large:
        print(f"measuring a fit to {options.large:,} embeddings", file=sys.stderr)
        measured = large.measure(options.large)
        goals = goals_of_large(measured)
    else:
        measured = _measured(options)
        goals = goals_of(measured)
    _print(goals, {**measured, "load": os.getloadavg()})
    return 0 if all(goal.met for goal in goals if goal.must) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, metavar="DIR", help="holds liked/ and other/")
    parser.add_argument(
        "--leave-out", default="", help="positions in other/, by name from 0: 16,28,… (liked ones)"
    )
    parser.add_argument("--repeats", type=int, default=10, help="of the five folds")
    parser.add_argument("--most", type=int, help="embeddings drawn for the growth")
    parser.add_argument("--most-clip", type=int, help="CLIP-shaped embeddings")
    parser.add_argument("--large", type=int, metavar="COUNT", help="only this: 300000")
    options = parser.parse_args()
    options.most = options.most or (growth.COUNTS[-1] if options.photos else _QUICK)
    options.most_clip = options.most_clip or (growth.CLIP_COUNTS[-1] if options.photos else _QUICK)
    return options


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    print("embedding the photos", file=sys.stderr)
    liked, other = _photos(options)
    rows = liked.embeddings
    population = Population.of(rows, min(_CLUSTERS, len(rows) // 8), 0)
    measured: dict[str, Any] = {
        "photos": str(options.photos.name) if options.photos else "sample photos: few",
        "liked": len(rows),
        "other": len(other.embeddings),
    }
    steps: dict[str, Callable[[], Any]] = {
        "folds": lambda: asdict(repeated_folds(rows, other.embeddings, options.repeats)),
        "sources": lambda: by_source(liked, other.embeddings),
        "calibration_photos": lambda: calibration(rows, None, _SPLITS, 2 * len(rows) // 3),
        "calibration_drawn": lambda: calibration(
            population.draw(1200, 2), population.draw(_UNSEEN, 3), _SPLITS, 60
        ),
        "calibration_clustered": lambda: calibration(
            clip_shaped(0).draw(6000, 2), clip_shaped(0).draw(_UNSEEN, 3), _SPLITS, 500
        ),
        "growth_photos": lambda: growth.of_photos(liked, other, _SPLITS),
        "growth_drawn": lambda: growth.of_drawn(population, other, options.most),
        "clip_shaped": lambda: growth.of_clip_shaped(options.most_clip),
    }
    for name, step in steps.items():
        print(f"measuring: {name}", file=sys.stderr)
        measured[name] = step()
    return measured


def _photos(options: argparse.Namespace) -> tuple[Photos, Photos]:
    reader = PhotoReader()
    if options.photos:
        left_out = frozenset(int(one) for one in options.leave_out.split(",") if one)
        other = reader.read(options.photos / "other", leaving_out=left_out)
        return reader.read(options.photos / "liked"), other
    cache = _ROOT / ".cache" / "samples"
    folder = fetch_sample_photos(cache, progress=lambda line: print(line, file=sys.stderr)).folder
    liked = reader.read(folder / Role.LIKED, folder / Role.HELD_BACK)
    return liked, reader.read(folder / Role.OTHER, folder / Role.BACKGROUND)


def _print(goals: Iterable[Goal], measured: dict[str, Any]) -> None:
    report = {"goals": [goal.to_json() for goal in goals], "measured": measured}
    print(json.dumps(report, indent=2))
    for goal in goals:
        print(goal, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
