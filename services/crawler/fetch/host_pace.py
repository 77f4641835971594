"""How one host is asked: a token bucket, a bound on requests at a time, pauses, and a circuit breaker.

The gap follows Scrapy's AutoThrottle (https://docs.scrapy.org/en/latest/topics/autothrottle.html): latency ÷ target
concurrency, halfway from the last gap, and only a good answer may shorten it. The bucket is the generic cell rate
algorithm (ITU-T I.371). Pauses double, with jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from services.crawler.fetch.pace_limits import PaceLimits

_JITTER_MIN = 0.5


@dataclass(frozen=True, slots=True)
class HostStanding:
    """What the next to ask a host needs to know of how it was asked.

    Attributes:
        ready_in_s: When the next request may start, seconds from now.
        gap_s: Seconds between requests.
        down_in_s: For how long it is not asked at all, seconds from now.
    """

    ready_in_s: float = 0.0
    gap_s: float = 0.0
    down_in_s: float = 0.0


class HostPace:
    """The pace of one host. Knows no clock: every method is told the time, in seconds that only grow."""

    def __init__(self, limits: PaceLimits, *, jitter: random.Random) -> None:
        self._limits = limits
        self._jitter = jitter
        self._active = 0
        self._gap_s = 1.0 / limits.requests_per_s
        self._crawl_delay_s = 0.0
        # When the bucket will be full again.
        self._full_time = float("-inf")
        self._paused_until = float("-inf")
        self._down_until = float("-inf")
        self._failures = 0
        self._pauses = 0
        self._used_time = float("-inf")

    @property
    def gap_s(self) -> float:
        """Seconds between requests, beyond bursts."""
        return max(self._gap_s, self._crawl_delay_s)

    @property
    def connections(self) -> int:
        """How many requests may be under way now."""
        careful = self._crawl_delay_s > 0 or self._pauses > 0
        return 1 if careful else self._limits.connections

    def is_full(self) -> bool:
        """Whether a request must end before another may start."""
        return self._active >= self.connections

    def ready_time(self) -> float:
        """When the next request may start, if one of those under way has ended."""
        if self._crawl_delay_s > 0:
            # From the end of the last request on, so that the host sees no shorter gap however late it came there. It
            # may have been the one for the robots.txt that asks for the delay.
            token_time = max(self._full_time, self._used_time + self._crawl_delay_s)
        else:
            token_time = self._full_time - (self._limits.burst - 1) * self.gap_s
        return max(token_time, self._paused_until)

    def is_down(self, now: float) -> bool:
        """Whether the host failed through all its pauses and is not asked for a while."""
        return now < self._down_until

    def is_idle(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting this host."""
        rested = max(self._full_time, self._paused_until, self._down_until)
        return not self._active and now > max(rested, self._used_time + self._limits.max_gap_s)

    def set_crawl_delay(self, delay_s: float) -> None:
        """Takes over the delay that robots.txt asks for, seconds; 0 for none."""
        self._crawl_delay_s = delay_s

    def standing(self, now: float) -> HostStanding:
        """How it stands; requests under way are to end first."""
        ready_in_s = max(0.0, self.ready_time() - now, self._full_time - now)
        return HostStanding(ready_in_s, self._gap_s, max(0.0, self._down_until - now))

    def go_on(self, now: float, standing: HostStanding) -> None:
        """Goes on where another stood."""
        self._gap_s = max(self._gap_s, standing.gap_s)
        # The bucket is full when the other's would be, which is no earlier than the next request may start.
        self._full_time = max(self._full_time, now + standing.ready_in_s)
        self._down_until = max(self._down_until, now + standing.down_in_s)
        if standing.ready_in_s > self._limits.burst * self.gap_s:
            self._paused_until = max(self._paused_until, now + standing.ready_in_s)

    def start(self, now: float) -> None:
        """A request starts."""
        self._active += 1
        self._used_time = now
        self._full_time = max(self._full_time, now) + self.gap_s

    def end(self, now: float) -> None:
        """A request has ended, whichever way."""
        self._active -= 1
        self._used_time = now

    def record_answer(self) -> None:
        """The host answered, to the end: all is well between us."""
        self._failures = self._pauses = 0

    def record_latency(self, latency_s: float, *, good: bool) -> None:
        """The header of an answer came.

        Args:
            latency_s: From the request to the header.
            good: Whether it answered what was asked for; other answers come quickly and say nothing about load.
        """
        target_s = latency_s / self._limits.target_concurrency
        gap_s = max(target_s, (self._gap_s + target_s) / 2)
        if good or gap_s > self._gap_s:
            shortest_s = 1.0 / self._limits.requests_per_s
            self._gap_s = min(max(gap_s, shortest_s), max(self._limits.max_gap_s, shortest_s))

    def record_failure(self, now: float) -> None:
        """The host did not answer, or with an error of its own; after several in a row it is left alone for a while."""
        self._failures += 1
        # While it comes back from a pause, one failure is enough.
        if self._pauses == 0 and self._failures < self._limits.breaker_failures:
            return
        if now < self._paused_until:
            return
        self.pause(now, None)

    def pause(self, now: float, asked_s: float | None) -> None:
        """Leaves the host alone: for as long as it asked, and for twice as long as the last time at least.

        After several pauses without a good answer in between it counts as down.

        Args:
            now: The time.
            asked_s: What `Retry-After` says, seconds; None if it says nothing.
        """
        if now < self._paused_until:
            # Said by an answer that was under way when the pause began: it is the same pause.
            asked_s = min(asked_s or 0.0, self._limits.max_pause_s)
            self._paused_until = max(self._paused_until, now + asked_s)
            return
        jitter = self._jitter.uniform(_JITTER_MIN, 1.0)
        own_s = self._limits.first_pause_s * 2.0 ** min(self._pauses, 30) * jitter
        self._pauses += 1
        self._paused_until = now + min(max(own_s, asked_s or 0.0), self._limits.max_pause_s)
        if self._pauses > self._limits.breaker_pauses:
            self._down_until = now + self._limits.down_s
            self._failures = self._pauses = 0
