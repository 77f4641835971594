"""A server that costs nothing besides its network: what waiting is left where callers come at random."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class IdealServer:
    """Computes all that waits, as one batch, as soon as it has computed the batch before.

    Attributes:
        batch_seconds: What a batch of some sizes takes; one between them takes a time between theirs.
        delay_s: How long the first image that finds nothing computed waits for others.
    """

    batch_seconds: Mapping[int, float]
    delay_s: float

    def wait(self, arrivals_s: Sequence[float]) -> tuple[list[float], float]:
        """How long each caller waits, and the mean time of the batch that an image rode in, seconds.

        Args:
            arrivals_s: When they come, ascending; one or more.
        """
        largest = max(self.batch_seconds)
        latencies_s: list[float] = []
        ridden_s, free_s = 0.0, -math.inf
        while (begun := len(latencies_s)) < len(arrivals_s):
            first_s = arrivals_s[begun]
            start_s = free_s if first_s <= free_s else first_s + self.delay_s
            waiting = bisect_right(arrivals_s, start_s, lo=begun) - begun
            size = min(waiting, largest)
            took_s = self._takes_s(size)
            free_s = start_s + took_s
            latencies_s += [free_s - one_s for one_s in arrivals_s[begun : begun + size]]
            ridden_s += size * took_s
        return latencies_s, ridden_s / len(latencies_s)

    def _takes_s(self, size: int) -> float:
        sizes = sorted(self.batch_seconds)
        return float(np.interp(size, sizes, [self.batch_seconds[one] for one in sizes]))
