"""Two ways to load a server: callers that wait for their answers, and arrivals that wait for nobody.

The peer's client imports this in its own virtual environment: nothing here needs more than NumPy.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

Call = Callable[[int], Awaitable[None]]
"""Asks for the image of this number and waits for its answer."""


async def closed_loop(call: Call, count: int, callers: int) -> float:
    """Makes the calls 0 to `count`, so many at a time; the seconds that all of them took."""
    numbers = iter(range(count))

    async def ask() -> None:
        for number in numbers:
            await call(number)

    start_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(ask())
    return time.perf_counter() - start_s


async def open_loop(call: Call, arrivals_s: Sequence[float]) -> list[float]:
    """Makes a call at each time from now, whether or not those before it were answered. The latencies, seconds.

    A latency counts from the planned time on: a client that is late because it has no time makes a server no faster.
    """
    start_s = time.perf_counter()

    async def ask(number: int, arrival_s: float) -> float:
        await call(number)
        return time.perf_counter() - start_s - arrival_s

    tasks = []
    async with asyncio.TaskGroup() as group:
        for number, arrival_s in enumerate(arrivals_s):
            await asyncio.sleep(start_s + arrival_s - time.perf_counter())
            tasks.append(group.create_task(ask(number, arrival_s)))
    return [task.result() for task in tasks]


def poisson_arrivals(rate_per_s: float, seconds: float, seed: int) -> list[float]:
    """Times within `seconds` of callers who know nothing of one another: gaps are exponential. At least one."""
    rng = np.random.default_rng(seed)
    gaps_s = rng.exponential(1 / rate_per_s, size=math.ceil(3 * rate_per_s * seconds) + 20)
    times_s = np.cumsum(gaps_s)
    return [float(one) for one in times_s[: max(1, np.searchsorted(times_s, seconds))]]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many per cent of the values do not pass (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
