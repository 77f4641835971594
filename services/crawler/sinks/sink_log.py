"""What the log says of a sink: at most a line a minute of each kind, however much fails."""

from __future__ import annotations

import math
import time

import structlog


class SinkLog:
    """Tells that a sink waits or refuses, at once and then now and again, and when it goes on."""

    def __init__(self, name: str, *, every_s: float) -> None:
        """Takes the sink's name and the seconds between two lines."""
        self._log = structlog.get_logger().bind(sink=name)
        self._every_s = every_s
        self._told_s: dict[str, float] = {}
        self._failed = self._refused = 0
        self._is_told = False

    def failed(self, cause: str) -> None:
        """A delivery did not succeed and is tried again."""
        self._failed += 1
        if self._is_time("sink_waits"):
            self._log.warning("sink_waits", cause=cause, failed_count=self._failed)
            self._failed, self._is_told = 0, True

    def refused(self, cause: str, digest: str) -> None:
        """A delivery is given up."""
        self._refused += 1
        if self._is_time("sink_refuses"):
            count, self._refused = self._refused, 0
            self._log.warning("sink_refuses", cause=cause, digest=digest, refused_count=count)

    def back(self) -> None:
        """Deliveries go on after a pause."""
        if self._is_told:
            self._is_told = False
            self._log.info("sink_back")

    def stopped(self, cause: str) -> None:
        """The sink asked never to be told again."""
        self._log.warning("sink_stopped", cause=cause)

    def broken(self, error: Exception) -> None:
        """Something that nobody foresaw."""
        if self._is_time("sink_failed"):
            self._log.error("sink_failed", exc_info=error)

    def _is_time(self, event: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._told_s.get(event, -math.inf) < self._every_s:
            return False
        self._told_s[event] = now_s
        return True
