"""What is counted of the images that a service computes."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.servicekit.rejection import RejectionCode

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_TOTAL_SECONDS: Final = (*_SECONDS, 5.0, 10.0, 25.0)


class ImageMetrics:
    """Images by what became of them, and how long each took."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._images = Counter(
            f"lodestone_{name}_images",
            "Images by outcome: computed, cached, refused (a full queue), failed (no answer), or why one was rejected.",
            ["outcome"],
            registry=registry,
        )
        self._decode = Histogram(
            f"lodestone_{name}_decode_seconds", "Seconds that an image was decoded and resized.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._decode_wait = Histogram(
            f"lodestone_{name}_decode_wait_seconds",
            "Seconds that an image waited for a thread that decodes.",
            buckets=_TOTAL_SECONDS, registry=registry,
        )  # fmt: skip
        self._total = Histogram(
            f"lodestone_{name}_image_seconds",
            "Seconds from an image's arrival, in a call or on a stream, to its answer.",
            buckets=_TOTAL_SECONDS, registry=registry,
        )  # fmt: skip

    def answered(self, seconds: float) -> None:
        """An image has its answer, so long after it came."""
        self._total.observe(seconds)

    def waited(self, seconds: float) -> None:
        """An image has a thread that decodes it, or looks it up."""
        self._decode_wait.observe(seconds)

    def decoded(self, seconds: float) -> None:
        """An image was brought to the network's input."""
        self._decode.observe(seconds)

    def computed(self) -> None:
        """An image has its answer."""
        self._images.labels("computed").inc()

    def cached(self) -> None:
        """An image has the answer that it had before."""
        self._images.labels("cached").inc()

    def rejected(self, code: RejectionCode) -> None:
        """An image has no answer, for this reason."""
        self._images.labels(code.value.lower()).inc()

    def refused(self, count: int = 1) -> None:
        """So many images found a full queue."""
        self._images.labels("refused").inc(count)

    def failed(self) -> None:
        """An image was lost to an error, or its caller has gone."""
        self._images.labels("failed").inc()


def tell_backend(
    name: str, registry: CollectorRegistry, *, execution_provider: str, precision: str, model: str
) -> None:
    """Shows what computes, as a metric that is always 1."""
    Gauge(
        f"lodestone_{name}_backend_info",
        "What computes, in which precision, and the name of what is computed.",
        ["execution_provider", "precision", "model"],
        registry=registry,
    ).labels(execution_provider, precision, model).set(1)
