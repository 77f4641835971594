"""How long everything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Options of the benchmark.

    Attributes:
        turns: In each of them, every way takes its turn.
        turn_s: About how long a turn of one way takes, seconds.
        latency_s: How long each load lasts, seconds; up to three times as long where p99 has a goal.
        memory_s: How long the memory is watched at least, seconds.
        many_streams_s: How long 256 streams send, seconds.
        streams: Of the one client.
    """

    turns: int = 5
    turn_s: float = 5.0
    latency_s: float = 60.0
    memory_s: float = 300.0
    many_streams_s: float = 20.0
    streams: int = 1
