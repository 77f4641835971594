"""Waiting for what other processes do."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path


async def eventually(condition, *, limit_s=30.0):
    """Waits until `condition()` is true, and returns what it returned."""
    async with asyncio.timeout(limit_s):
        while not (result := condition()):
            await asyncio.sleep(0.02)
        return result


def eventually_sync(condition, *, limit_s=30.0):
    """The same for tests without a loop."""
    end = time.monotonic() + limit_s
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)
    return result


def is_running(pid):
    """Whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def lines_of(path):
    """The lines of a file that may not be there yet."""
    return path.read_text().splitlines() if path.exists() else []
