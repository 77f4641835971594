"""What may be fetched, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.pace_limits import PaceLimits


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds on files, bytes, time, hops and connections. Waiting for a host's turn costs no time of the deadline.

    Attributes:
        max_bytes: Bytes of one image; exactly this passes.
        max_redirects: Redirects that are followed.
        connect_s: For resolving, connecting and TLS together, seconds.
        first_byte_s: From the request to the first byte, and between any two reads, seconds.
        total_s: For all hops and the robots.txt of their hosts together, seconds.
        min_bytes_per_s: The slowest body, averaged over `rate_window_s`.
        rate_window_s: Over how long the rate is measured, seconds.
        connections: Requests at a time.
        patience_s: How long one hop may wait for its host's turn, seconds; after that the listing is given back.
        pace: How fast one host may be asked.
        local: Which files of this machine may be read.
    """

    max_bytes: int = 20_000_000
    max_redirects: int = 5
    connect_s: float = 5.0
    first_byte_s: float = 10.0
    total_s: float = 30.0
    min_bytes_per_s: float = 1_000.0
    rate_window_s: float = 10.0
    connections: int = 32
    patience_s: float = 5.0
    pace: PaceLimits = field(default_factory=PaceLimits)
    local: LocalAccess = field(default_factory=LocalAccess)
