"""What the index of a crawler takes in a process of its own: start, lookups, memory, and images that are added.

`python -m benchmarks.duplicating.lookups FOLDER` prints JSON; benchmarks/duplicates.py fills the folder. Some of the
lookups are made one by one as well, in turns, as there was no other way before.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.duplicating.hashes import Drawn
from services.crawler.candidate import DecodedCandidate
from services.crawler.seen.duplicate_index import DuplicateIndex, Entry
from services.crawler.seen.fingerprint_file import FingerprintFile
from services.crawler.seen.seen_images import SeenImages

Result = TypeVar("Result")

_WARM_UP = 20
# One in so many lookups is made one by one as well.
_TURN = 20


class Taken:
    """How long each of some pieces of work took: by the clock, and of this thread's CPU time, which is what counts.

    Attributes:
        ms: Milliseconds by the clock; others on the machine make them longer.
        cpu_ms: Milliseconds of the CPU.
    """

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.cpu_ms: list[float] = []

    def __len__(self) -> int:
        """How many pieces there were."""
        return len(self.ms)

    def time(self, work: Callable[[], Result]) -> Result:
        """Does it and notes how long it took."""
        started_s, cpu_s = time.perf_counter(), time.thread_time()
        result = work()
        self.cpu_ms.append(1e3 * (time.thread_time() - cpu_s))
        self.ms.append(1e3 * (time.perf_counter() - started_s))
        return result

    def report(self) -> dict[str, dict[str, float]]:
        """Median, 99th percentile and the longest of both."""
        return {"ms": _spread(self.ms), "cpu_ms": _spread(self.cpu_ms)}


def _spread(taken_ms: list[float]) -> dict[str, float]:
    median, high = np.percentile(taken_ms, [50, 99])
    return {
        "median": round(float(median), 3),
        "p99": round(float(high), 3),
        "max": round(max(taken_ms), 3),
    }


class OneByOne(DuplicateIndex):
    """The same index without tables."""

    def settle(self) -> None:
        """Makes none."""


def main() -> None:
    """Measures and prints."""
    print(json.dumps(measure(Path(sys.argv[1]))))


def measure(folder: Path) -> dict[str, Any]:
    """Times are milliseconds, of one lookup of an image and its mirror image; memory is in bytes."""
    queries, kept = Drawn.load(folder / "queries.npz"), Drawn.load(folder / "kept.npz")
    candidates = queries.candidates()
    memory = {"before": _memory_bytes("VmRSS")}
    started_s, started_cpu_s = time.monotonic(), time.process_time()
    with closing(FingerprintFile(folder / "seen")) as file:
        archive = DuplicateIndex(file, file.load())
        start_s, start_cpu_s = time.monotonic() - started_s, time.process_time() - started_cpu_s
        memory |= {"started": _memory_bytes("VmRSS"), "peak_at_start": _memory_bytes("VmHWM")}
        stored, seen = len(file), SeenImages(archive)
        measured = _look_up(seen, candidates)
        memory["after_lookups"] = _memory_bytes("VmRSS")
        measured |= _add(seen, archive, kept, candidates)
        memory |= {"after_all": _memory_bytes("VmRSS"), "peak": _memory_bytes("VmHWM")}
        measured |= _compare(seen, SeenImages(OneByOne(file, file.load())), candidates)
    return {
        "stored": stored,
        "start_s": round(start_s, 2),
        "start_cpu_s": round(start_cpu_s, 2),
        **measured,
        "memory_bytes": memory,
    }


def _look_up(seen: SeenImages, candidates: list[DecodedCandidate]) -> dict[str, Any]:
    for candidate in candidates[:_WARM_UP]:
        seen.find("", "", candidate)
    taken = Taken()
    found = [
        taken.time(partial(seen.find, "", "", candidate)) is not None for candidate in candidates
    ]
    half = len(candidates) // 2
    return {
        "copies": half,
        "copies_found": sum(found[:half]),
        "others": len(candidates) - half,
        "others_found": sum(found[half:]),
        "lookup": taken.report(),
    }


def _compare(
    seen: SeenImages, one_by_one: SeenImages, candidates: list[DecodedCandidate]
) -> dict[str, Any]:
    """The same lookups both ways, in turns."""
    tabled, flat, differences = Taken(), Taken(), 0
    for candidate in candidates[::_TURN]:
        sighting = tabled.time(partial(seen.find, "", "", candidate))
        differences += sighting != flat.time(partial(one_by_one.find, "", "", candidate))
    return {
        "compared": len(candidates[::_TURN]),
        "compared_lookup": tabled.report(),
        "compared_one_by_one": flat.report(),
        "one_by_one_differences": differences,
    }


def _add(
    seen: SeenImages, archive: DuplicateIndex, kept: Drawn, candidates: list[DecodedCandidate]
) -> dict[str, Any]:
    entries = kept.entries(len(kept))
    keeping, archiving, letting_go, tables, taken = (Taken() for _ in range(5))
    keeping.time(partial(_keep, seen, entries))
    archiving.time(lambda: archive.extend(entries))
    letting_go.time(lambda: seen.let_go({digest for digest, _ in entries}))
    thread = threading.Thread(target=lambda: tables.time(archive.tabulate))
    thread.start()
    while thread.is_alive():
        candidate = candidates[len(taken) % len(candidates)]
        taken.time(partial(seen.find, "", "", candidate))
    return {
        "kept_per_cpu_s": round(len(entries) / keeping.cpu_ms[0] * 1e3),
        "archived_per_cpu_s": round(len(entries) / archiving.cpu_ms[0] * 1e3),
        "archived_per_s": round(len(entries) / archiving.ms[0] * 1e3),
        "let_go": letting_go.report(),
        "tables": tables.report(),
        "lookup_while_tables_are_made": taken.report(),
    }


def _keep(seen: SeenImages, entries: list[Entry]) -> None:
    for digest, fingerprint in entries:
        seen.add_kept(digest, fingerprint)


def _memory_bytes(key: str) -> int:
    """`VmRSS`: what this process holds now; `VmHWM`: the most that it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)[key].split()[0]) * 1024


if __name__ == "__main__":
    main()
