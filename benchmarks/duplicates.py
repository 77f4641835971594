"""Near-duplicates among ten million images: how quick a lookup is, in how much memory, and how often strangers match.

JSON on standard output, lines for people on standard error. Hashes are drawn as those of photos are spread, and stored
as a crawler stores them; then a process of its own starts from that file, looks images up, and keeps new ones. Lookups
are compared by CPU time: others on the machine make them longer by the clock. The exit status is 1 if a goal is missed.
With `--photos` the rate of false matches is measured on hashes of those photos and
of parts of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.duplicating import rates
from benchmarks.duplicating.hashes import DrawnPhotos, hashed
from benchmarks.serving.goal import Goal
from benchmarks.serving.machine import machine_facts
from benchmarks.tasting.measured_process import MeasuredProcess
from services.crawler.seen.duplicate_index import DuplicateIndex
from services.crawler.seen.fingerprint_file import FingerprintFile

_LOOKUP_GOAL_MS = 10.0
_MEMORY_GOAL_MB = 400.0
_START_GOAL_S = 20.0
# What the goals are for.
_GOAL_STORED = 10_000_000
_SEED = 2026
# Images that are kept while lookups go on: one batch of the crawler's archive.
_KEPT = 65_536

_ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as scratch:
        folder = Path(scratch)
        stored_s = _store(folder, options.stored, options.lookups)
        measured = _measure(folder)
    goals = _goals(measured)
    report: dict[str, Any] = {
        "goals": [goal.to_json() for goal in goals],
        "store_s": round(stored_s, 1),
        **measured,
        "machine": machine_facts("numpy"),
    }
    if options.photos:
        report["false_matches"] = rates.measure(rates.read(options.photos, options.parts))
    print(json.dumps(report, indent=2))
    for goal in goals:
        print(goal, file=sys.stderr)
    return 1 if any(goal.is_missed for goal in goals) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stored", type=int, default=_GOAL_STORED, help="images in the file")
    parser.add_argument("--lookups", type=int, default=4_000, help="images that are looked up")
    parser.add_argument("--photos", type=Path, help="a folder of photos, for the false matches")
    parser.add_argument("--parts", type=int, default=40, help="parts of each photo")
    options = parser.parse_args()
    if not 2 <= options.lookups // 2 <= options.stored:
        parser.error("at least 4 lookups and half as many stored images are needed")
    return options


def _store(folder: Path, stored: int, lookups: int) -> float:
    """Fills the file, and writes what is looked up: half of it copies of stored images. Returns the seconds it took."""
    photos, copied = DrawnPhotos(_SEED), []
    file = FingerprintFile(folder / "seen")
    index = DuplicateIndex(file)
    started_s = time.monotonic()
    left = lookups // 2
    for waves, drawn in photos.draw(stored):
        index.extend(drawn.entries(len(drawn)))
        copied.append(photos.copies(waves[:left]))
        left -= len(copied[-1])
    file.close()
    taken_s = time.monotonic() - started_s
    new = [waves for waves, _ in DrawnPhotos(_SEED + 1).draw(lookups - lookups // 2)]
    hashed(np.concatenate([*copied, *new]), first=stored).save(folder / "queries.npz")
    kept = [drawn for _, drawn in DrawnPhotos(_SEED + 2).draw(_KEPT)]
    kept[0].numbered(2 * stored).save(folder / "kept.npz")
    _forget(folder / "seen.rows")
    return taken_s


def _forget(path: Path) -> None:
    """Lets the system read the file from the disk next time."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _measure(folder: Path) -> dict[str, Any]:
    """Starts from the file in a process of its own."""
    log = folder / "log.txt"
    command = [sys.executable, "-m", "benchmarks.duplicating.lookups", str(folder)]
    MeasuredProcess(command, log, {"PYTHONPATH": str(_ROOT)}).cost()
    return dict(json.loads(log.read_text().splitlines()[-1]))


def _goals(measured: dict[str, Any]) -> list[Goal]:
    is_whole = measured["stored"] >= _GOAL_STORED
    note = "" if is_whole else f"of {measured['stored']:,} images"
    memory, lookup = measured["memory_bytes"], measured["lookup"]["cpu_ms"]["p99"]
    found = measured["copies_found"] / measured["copies"]
    limits = (
        ("lookup of an image and its mirror image, p99, CPU ms", _LOOKUP_GOAL_MS, lookup),
        ("memory after lookups, MB", _MEMORY_GOAL_MB, memory["after_lookups"] / 1e6),
        ("memory at most, tables made anew, MB", _MEMORY_GOAL_MB, memory["peak"] / 1e6),
        ("start from the file, s", _START_GOAL_S, measured["start_s"]),
        ("answers that one by one gives otherwise", 0, measured["one_by_one_differences"]),
    )
    goals = [
        Goal(name=name, goal=f"<= {most:g}", measured=value, met=value <= most, note=note)
        for name, most, value in limits
    ]
    times = _median(measured["compared_one_by_one"]) / _median(measured["compared_lookup"])
    goals.append(
        Goal(name="one by one takes so many times the CPU time, median", goal="> 1", measured=times,
             met=times > 1, must=is_whole, note=note)
    )  # fmt: skip
    goals.append(
        Goal(name="copies that are found", goal=">= 0.99", measured=found, met=found >= 0.99)
    )
    return goals


def _median(taken: dict[str, dict[str, float]]) -> float:
    return taken["cpu_ms"]["median"]


if __name__ == "__main__":
    sys.exit(main())
