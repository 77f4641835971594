"""Measurements of one process on one core. Linux only."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICK_S = 0.001


def take_one_core() -> None:
    """Every thread of this process runs on one core from now on."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def memory_mb() -> float:
    """What of this process is in memory, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(slots=True)
class Took:
    """What a piece of work took.

    Attributes:
        wall_s: From start to end, seconds.
        cpu_s: User and system time of this process, seconds.
        lags_ms: By how much the event loop came late, each time; sorted.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    lags_ms: list[float] = field(default_factory=list)

    def lag_ms(self, share: float) -> float:
        """The lag that a share of all is below, [0, 1]."""
        return round(self.lags_ms[min(int(len(self.lags_ms) * share), len(self.lags_ms) - 1)], 1)


@asynccontextmanager
async def timing() -> AsyncIterator[Took]:
    """Times what happens inside, and watches the event loop."""
    took = Took()
    watching = asyncio.create_task(_watch(took.lags_ms))
    wall_s, cpu_s = time.monotonic(), time.process_time()
    try:
        yield took
    finally:
        took.wall_s, took.cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        took.lags_ms.sort()


async def _watch(lags_ms: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _TICK_S
        await asyncio.sleep(_TICK_S)
        lags_ms.append(1e3 * (loop.time() - due))
