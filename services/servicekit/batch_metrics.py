"""What is counted of a batcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class BatchMetrics:
    """Sizes of batches, how long they take, how many items wait and for how long."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._sizes = Histogram(
            f"lodestone_{name}_batch_size", "Images per computation.", buckets=_SIZES,
            registry=registry,
        )  # fmt: skip
        self._inference = Histogram(
            f"lodestone_{name}_inference_seconds", "Seconds per computation.", buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._waits = Histogram(
            f"lodestone_{name}_queue_wait_seconds", "Seconds that an image waited to be computed.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._depth = Gauge(
            f"lodestone_{name}_queue_depth", "Images that wait to be computed.", registry=registry
        )

    def watch_depth(self, depth: Callable[[], int]) -> None:
        """Asks for the number of waiting images whenever somebody looks."""
        self._depth.set_function(depth)

    def waited(self, seconds: float) -> None:
        """An image has left the queue to be computed."""
        self._waits.observe(seconds)

    def computed(self, size: int, seconds: float) -> None:
        """A batch is done."""
        self._sizes.observe(size)
        self._inference.observe(seconds)
