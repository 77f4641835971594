"""How long to wait between tries."""

from __future__ import annotations

import random


class Backoff:
    """Exponential delays with jitter, so that many clients do not come back at once.

    Each delay is drawn evenly from half of a bound to the bound; the bound starts at `initial_s` seconds and
    doubles up to `max_s` seconds.
    """

    def __init__(self, *, initial_s: float = 0.1, max_s: float = 2.0) -> None:
        self._initial_s = initial_s
        self._max_s = max_s
        self._bound_s = initial_s

    def next_s(self) -> float:
        """The next delay, seconds."""
        bound_s = self._bound_s
        self._bound_s = min(2 * bound_s, self._max_s)
        return random.uniform(bound_s / 2, bound_s)  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """Starts again at the first delay; for when something worked."""
        self._bound_s = self._initial_s
