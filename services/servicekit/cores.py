"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath
from typing import Final

_SYSTEM: Final = Path("/")


def affine_cores() -> int:
    """Those that its affinity names, hyper-threads counted."""
    return len(os.sched_getaffinity(0))


def usable_cores(system: Path = _SYSTEM) -> int:
    """The same, or as many as the quotas of its control groups come to, rounded up: a container's limit.

    Quotas are read of cgroup v2 alone.

    Args:
        system: Where `proc` and `sys` are.
    """
    return math.ceil(min(affine_cores(), _quota(system)))


def _quota(system: Path) -> float:
    """Cores; infinite without a quota."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return math.inf
    paths = [PurePosixPath(line[3:]) for line in lines if line.startswith("0::/")]
    groups = [group for path in paths for group in (path, *path.parents)]
    root = system / "sys/fs/cgroup"
    return min((_quota_of(root / str(group).lstrip("/")) for group in groups), default=math.inf)


def _quota_of(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except OSError:
        return math.inf
    return math.inf if quota == "max" else int(quota) / int(period)
