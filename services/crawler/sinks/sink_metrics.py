"""What is counted of deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge


class DeliveryResult(StrEnum):
    """How one try ended."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"


class SinkMetrics:
    """Tries by sink and result, and what is pending."""

    def __init__(self, registry: CollectorRegistry, sinks: Iterable[str]) -> None:
        self._deliveries = Counter(
            "lodestone_crawler_sink_deliveries",
            "Deliveries tried: delivered, failed (tried again later), or refused (given up).",
            ["sink", "result"],
            registry=registry,
        )
        self._pending = Gauge(
            "lodestone_crawler_sink_pending",
            "Deliveries that are still to be made.",
            ["sink"],
            registry=registry,
        )
        for sink in sinks:
            for result in DeliveryResult:
                self._deliveries.labels(sink, result)

    def tried(self, sink: str, result: DeliveryResult) -> None:
        """One try has ended."""
        self._deliveries.labels(sink, result).inc()

    def pending(self, sink: str, count: int) -> None:
        """So many are pending."""
        self._pending.labels(sink).set(count)
