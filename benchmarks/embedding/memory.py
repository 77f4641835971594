"""The memory of a process, looked at while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np


class MemoryWatch:
    """Looks in a thread of its own: the event loop stands still while a network is computed in this process.

    Attributes:
        samples: Seconds since the beginning, and bytes.
    """

    def __init__(self, look: Callable[[], int], every_s: float = 1.0) -> None:
        self._look = look
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._start_s = time.monotonic()
        self.samples: list[tuple[float, int]] = []

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._start_s

    def __enter__(self) -> Self:
        self._start_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.samples.append((self.seconds, self._look()))
            if self._over.wait(self._every_s):
                return


def memory_facts(samples: Sequence[tuple[float, int]], warm_up_s: float = 0.0) -> dict[str, Any]:
    """The first, last and largest of the samples in MB, over which time, and how fast they grew after the warm-up."""
    begin_s = samples[0][0] + warm_up_s
    warm = [sample for sample in samples if sample[0] >= begin_s] or samples
    held = [size / 1e6 for _, size in samples]
    return {
        "mb_per_min": round(growth_mb_per_min(warm), 3),
        "seconds": round(samples[-1][0] - samples[0][0]),
        "first_mb": round(held[0], 1),
        "last_mb": round(held[-1], 1),
        "most_mb": round(max(held), 1),
    }


def growth_mb_per_min(samples: Sequence[tuple[float, int]]) -> float:
    """The slope of the line through the samples (least squares); 0 for one sample."""
    if len(samples) < 2:
        return 0.0
    times_s, sizes = np.array(samples, dtype=np.float64).T
    return float(np.polyfit(times_s - times_s[0], sizes, 1)[0]) * 60 / 1e6
