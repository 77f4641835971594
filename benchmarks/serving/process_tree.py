"""The CPU time of a process and of all that it started; Linux only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def tree_cpu_s(pid: int) -> float:
    """User and system time so far of a process and its living descendants, seconds."""
    stats = _stats()
    tree = {pid}
    # A child has mostly a larger id than its parent, but ids begin anew one day.
    while grown := {one for one, (parent, _) in stats.items() if parent in tree} - tree:
        tree |= grown
    return sum(stats[one][1] for one in tree if one in stats)


def _stats() -> dict[int, tuple[int, float]]:
    """Of every process: its parent, and its CPU time."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        found[int(path.parent.name)] = (
            int(fields[1]),
            (int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        )
    return found
