"""How long the streams of a server last."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """The limits of each stream.

    Attributes:
        idle_s: Without an answer that its client reads, seconds.
        age_s: In all, seconds; of streams of answers those that are `resumed` alone.
        resumed: Methods that answer with a stream which a client can have go on where it ended.
    """

    idle_s: float
    age_s: float
    resumed: frozenset[str] = frozenset()
