"""What a service's /metrics say about its batches."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from prometheus_client.parser import text_string_to_metric_families

_SIZES: Final = "lodestone_embedder_batch_size"
_SECONDS: Final = "lodestone_embedder_inference_seconds"


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches that were computed.

    Attributes:
        count: How many.
        images: In all of them.
        seconds: That all of them took.
        by_size: How many there were of each size, sizes between two of these among the larger one.
    """

    count: float
    images: float
    seconds: float
    by_size: Mapping[float, float]

    def since(self, before: Batches) -> Batches:
        """Those that were computed after `before` was read."""
        by_size = {size: count - before.by_size[size] for size, count in self.by_size.items()}
        return Batches(
            self.count - before.count,
            self.images - before.images,
            self.seconds - before.seconds,
            {size: count for size, count in by_size.items() if count},
        )

    def to_json(self) -> dict[str, Any]:
        """What they were like on average; the batch that an image rode in is another one than the average batch."""
        return {
            "batches": round(self.count),
            "mean_batch": round(self.images / self.count, 2),
            "mean_batch_ms": round(1e3 * self.seconds / self.count, 2),
            "by_size": {f"{size:g}": round(count) for size, count in self.by_size.items()},
        }


async def read_batches(address: str) -> Batches:
    """Reads the page at `host:port`."""
    return parse_batches(await asyncio.to_thread(_read, address))


def parse_batches(page: str) -> Batches:
    """Reads the two histograms out of a page."""
    values: dict[str, float] = {}
    up_to: dict[float, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == f"{_SIZES}_bucket":
                up_to[float(sample.labels["le"])] = sample.value
            values[sample.name] = sample.value
    ordered = sorted(up_to.items())
    counts = [0.0, *(count for _, count in ordered)]
    by_size = {size: count - counts[place] for place, (size, count) in enumerate(ordered)}
    return Batches(
        values[f"{_SIZES}_count"], values[f"{_SIZES}_sum"], values[f"{_SECONDS}_sum"], by_size
    )


def ridden_seconds(batches: Batches, seconds: Mapping[int, float]) -> float:
    """The mean time of the batch that an image rode in, seconds: a large batch counts for each of its images.

    Args:
        batches: Those that were computed.
        seconds: What a batch of some sizes takes in each instance when no client wants the cores; one between them
            takes a time between theirs, larger ones as long as the largest.
    """
    counts = np.array(list(batches.by_size.values()))
    sizes = _mean_sizes(batches, counts)
    loaded = seconds_under_load(batches, seconds)
    took = np.interp(sizes, sorted(loaded), [loaded[size] for size in sorted(loaded)])
    return float(counts * sizes @ took / (counts @ sizes))


def seconds_under_load(batches: Batches, seconds: Mapping[int, float]) -> dict[int, float]:
    """What a batch of each size took while these were computed: longer than without a client, who wants the same cores.

    Args:
        batches: Those that were computed.
        seconds: What a batch of some sizes takes in each instance when no client wants the cores.
    """
    counts = np.array(list(batches.by_size.values()))
    sizes = _mean_sizes(batches, counts)
    alone = np.interp(sizes, sorted(seconds), [seconds[size] for size in sorted(seconds)])
    longer = batches.seconds / float(counts @ alone)
    return {size: longer * one_s for size, one_s in seconds.items()}


def _mean_sizes(batches: Batches, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What size the batches of each counted range had on average: at one place in all ranges, for as many images."""
    most = np.array(list(batches.by_size))
    least = most // 2 + 1
    room = float(counts @ (most - least))
    place = (batches.images - float(counts @ least)) / room if room else 0.0
    return np.asarray(least + min(max(place, 0.0), 1.0) * (most - least))


def _read(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return str(answer.read().decode())
