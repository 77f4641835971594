"""A server that costs nothing besides its network: what waiting is left where callers come at random."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class IdealServer:
    """Computes all that waits as soon as an instance is free; free ones share it.

    Attributes:
        batch_seconds: What a batch of some sizes takes; one between them takes a time between theirs.
        delay_s: How long the first image of a batch waits for others at least.
        instances: Batches that are computed at once.
    """

    batch_seconds: Mapping[int, float]
    delay_s: float
    instances: int = 1

    def wait(self, arrivals_s: Sequence[float]) -> tuple[list[float], float]:
        """How long each caller waits, and the mean time of the batch that an image rode in, seconds.

        Args:
            arrivals_s: When they come, ascending; one or more.
        """
        largest = max(self.batch_seconds)
        latencies_s: list[float] = []
        ridden_s, free_s = 0.0, [-math.inf] * self.instances
        while (begun := len(latencies_s)) < len(arrivals_s):
            start_s = max(free_s[0], arrivals_s[begun] + self.delay_s)
            waiting = bisect_right(arrivals_s, start_s, lo=begun) - begun
            size = min(math.ceil(waiting / bisect_right(free_s, start_s)), largest)
            took_s = self._takes_s(size)
            end_s = start_s + took_s
            free_s = sorted([*free_s[1:], end_s])
            latencies_s += [end_s - one_s for one_s in arrivals_s[begun : begun + size]]
            ridden_s += size * took_s
        return latencies_s, ridden_s / len(latencies_s)

    def _takes_s(self, size: int) -> float:
        sizes = sorted(self.batch_seconds)
        return float(np.interp(size, sizes, [self.batch_seconds[one] for one in sizes]))
