"""How often and how long deliveries are tried."""

from __future__ import annotations

import random
from dataclasses import dataclass

_DOUBLINGS_MAX = 40


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """Times in seconds.

    Attributes:
        first_s: The wait of a sink, or of a delivery, after a first failure; it doubles with each further one.
        rejected_first_s: The same where the receiver said no.
        last_s: The longest wait.
        rejections: After the receiver has said no so often, a delivery is given up.
        poll_s: How often the outbox is looked at while nothing is due.
        lease_s: After so long another crawler may take a delivery; longer than any takes.
        drain_s: How long deliveries under way may go on when the crawler ends.
        log_every_s: Between two lines in the log about the same sink.
        count_every_s: Between two counts of what is pending.
    """

    first_s: float = 1.0
    rejected_first_s: float = 10.0
    last_s: float = 3_600.0
    rejections: int = 5
    poll_s: float = 1.0
    lease_s: float = 150.0
    drain_s: float = 5.0
    log_every_s: float = 60.0
    count_every_s: float = 15.0

    def wait_s(self, failures: int, *, first_s: float | None = None) -> float:
        """How long to wait after so many failures, 1 or more: drawn from half of a bound that doubles to the bound."""
        first_s = self.first_s if first_s is None else first_s
        bound_s = min(self.last_s, first_s * 2.0 ** min(failures - 1, _DOUBLINGS_MAX))
        return random.uniform(bound_s / 2, bound_s)  # noqa: S311 - jitter, not a secret
