"""What must be on the disk before anything is said of it."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Writes what is known of a file or folder through to the disk; a pipe is not waited for, but an OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
