"""What this process has open. Linux only."""

from __future__ import annotations

import contextlib
from pathlib import Path


def open_below(folder: Path) -> list[Path]:
    """The files and folders that are open there: what other tests left open elsewhere does not count."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        # The listing's own is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found.append(descriptor.readlink())
    return [path for path in found if path.is_relative_to(folder)]
