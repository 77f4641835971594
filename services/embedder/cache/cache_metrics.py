"""What is counted of the cache."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge


class Lookup(StrEnum):
    """How looking for an image ended."""

    HIT = "hit"
    MISS = "miss"
    FAILED = "failed"


class Write(StrEnum):
    """What became of an embedding that was to be kept."""

    KEPT = "kept"
    DROPPED = "dropped"
    FAILED = "failed"


class CacheMetrics:
    """Lookups and writes by how they ended, and the size."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lookups = Counter(
            "lodestone_embedder_cache_lookups",
            "Images looked for: a hit, a miss, or failed (the cache cannot be read, or the entry is damaged).",
            ["result"],
            registry=registry,
        )
        self._writes = Counter(
            "lodestone_embedder_cache_writes",
            "Embeddings to be kept: kept, dropped (too many waited, or it is no embedding), or failed.",
            ["result"],
            registry=registry,
        )
        self._bytes = Gauge(
            "lodestone_embedder_cache_bytes", "What entries take of the cache's file, bytes.",
            registry=registry,
        )  # fmt: skip
        for lookup in Lookup:
            self._lookups.labels(lookup)
        for write in Write:
            self._writes.labels(write)

    def looked(self, lookup: Lookup) -> None:
        """One image was looked for."""
        self._lookups.labels(lookup).inc()

    def wrote(self, write: Write, count: int = 1) -> None:
        """So many embeddings were kept, or not."""
        self._writes.labels(write).inc(count)

    def holds(self, size_bytes: int) -> None:
        """The size has changed."""
        self._bytes.set(size_bytes)
