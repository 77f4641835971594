"""How fast one host may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from services.crawler.fetch.retry_after import RETRY_AFTER_MAX_S


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """Bounds on the requests to one host.

    Attributes:
        connections: Requests at a time; one while the host asks for a delay or comes back from a pause.
        requests_per_s: Tokens of the bucket that come back in a second.
        burst: Tokens that the bucket holds: so many requests may start at once after a rest.
        target_concurrency: Requests under way on average: a host that answers slowly is asked less often.
        max_gap_s: The longest gap that slow answers lead to, seconds.
        breaker_failures: After so many failures in a row the host is left alone.
        first_pause_s: For how long, the first time, seconds; it doubles each time.
        max_pause_s: The longest pause, whatever a host asks for, seconds.
        breaker_pauses: After so many pauses without an answer in between the host counts as down.
        down_s: How long it counts as down, seconds.
    """

    connections: int = 4
    requests_per_s: float = 4.0
    burst: int = 4
    target_concurrency: float = 2.0
    max_gap_s: float = 60.0
    breaker_failures: int = 5
    first_pause_s: float = 5.0
    max_pause_s: float = RETRY_AFTER_MAX_S
    breaker_pauses: int = 4
    down_s: float = 3_600.0
