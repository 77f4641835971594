"""How long one caller waits while others come and go: open loop, so a slow server is not asked less."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from benchmarks.embedding.ideal_server import IdealServer
from benchmarks.embedding.load import Call, open_loop, percentile, poisson_arrivals
from benchmarks.embedding.metrics_page import read_batches, ridden_seconds, seconds_under_load

LOADS_PERCENT: Final = (10, 50, 90)
"""Of the capacity."""

GOAL_PERCENT: Final = 50
"""The load that there is a goal for."""

ENOUGH_OVER_P99: Final = 10
"""Fewer waits over a 99th percentile say little of it."""

LATENCY_SEED: Final = 2026
"""Of the arrivals; the same for everything that is measured."""

# Ten over p99 are 1,000 arrivals; how many come is up to chance.
_ENOUGH_ARRIVALS: Final = 1_100
_LONGEST: Final = 3


def lasting_s(rate_per_s: float, seconds: float) -> float:
    """So long that ten wait longer than p99, but no shorter than `seconds` and no longer than three times that."""
    return min(max(seconds, _ENOUGH_ARRIVALS / rate_per_s), _LONGEST * seconds)


async def measure_latency(call: Call, rate_per_s: float, seconds: float) -> dict[str, float]:
    """The percentiles of the waiting times of Poisson arrivals at this rate, milliseconds."""
    arrivals_s = poisson_arrivals(rate_per_s, seconds, LATENCY_SEED)
    return latency_facts(await open_loop(call, arrivals_s), rate_per_s)


def latency_facts(latencies_s: list[float], rate_per_s: float) -> dict[str, float]:
    """The percentiles, how many waited at which rate, and how many of them longer than p99 says."""
    return {
        "arrivals_per_s": round(rate_per_s, 2),
        "arrivals": len(latencies_s),
        "p50_ms": round(1e3 * percentile(latencies_s, 50), 2),
        "p99_ms": round(1e3 * percentile(latencies_s, 99), 2),
        "over_p99": len(latencies_s) - math.ceil(0.99 * len(latencies_s)),
    }


async def measure_with_batches(
    call: Call,
    metrics: str,
    rate_per_s: float,
    seconds: float,
    alone: IdealServer,
) -> dict[str, Any]:
    """The same, beside the batches that the images rode in, from the service's /metrics.

    `ridden_batch_ms` is what p99 is compared with: the mean, over the images of this load, of the time of the batch
    that each rode in. A caller cannot see its own batch. Images that wait longest tend to ride in larger ones than the
    mean image does, as more have come meanwhile: each against its own batch would be the milder comparison.

    `ideal` is the same of a server without any cost of its own, for these arrivals and batches of these times: what
    callers at random wait for one another.

    Args:
        call: Asks for one image.
        metrics: The `host:port` of the service's /metrics.
        rate_per_s: Arrivals in a second.
        seconds: For how long.
        alone: With what a batch of each size takes when nothing but the other instances wants the cores.
    """
    before = await read_batches(metrics)
    latency = await measure_latency(call, rate_per_s, seconds)
    batches = (await read_batches(metrics)).since(before)
    ridden_s = ridden_seconds(batches, alone.batch_seconds)
    ideal = replace(alone, batch_seconds=seconds_under_load(batches, alone.batch_seconds))
    return {
        **latency,
        "ridden_batch_ms": round(1e3 * ridden_s, 2),
        "ideal": _ideal_facts(ideal, rate_per_s, seconds),
        **batches.to_json(),
    }


def _ideal_facts(server: IdealServer, rate_per_s: float, seconds: float) -> dict[str, float]:
    latencies_s, ridden_s = server.wait(poisson_arrivals(rate_per_s, seconds, LATENCY_SEED))
    return {
        "p99_ms": round(1e3 * percentile(latencies_s, 99), 2),
        "ridden_batch_ms": round(1e3 * ridden_s, 2),
    }
