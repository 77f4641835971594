"""Who knocked and was not let in, in the log."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import structlog

_EVERY_S: Final = 10.0
_MAX_KNOCKERS: Final = 1_000
_MAX_CHARS: Final = 200


class RefusalLog:
    """A line for whoever is refused, then one in ten seconds at most, with how many refusals were not told before it.

    Callers are told apart by the names in their certificates and by their host.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When each was told last and how many were not told since; whoever was told longest ago comes first.
        self._told: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def note(self, cause: str, *, method: str, names: Sequence[str], peer: str) -> None:
        """Logs a refusal, or counts it.

        Args:
            cause: Why: no secret may be in it.
            method: For example `FitProfile`.
            names: The URI SANs of the caller's certificate.
            peer: gRPC's word for where the caller is, for example `ipv4:127.0.0.1:41000`.
        """
        who = ", ".join(names)[:_MAX_CHARS]
        # Each connection has a port of its own.
        key = (who, peer.rpartition(":")[0])
        now_s = self._clock()
        at_s, untold = self._told.get(key, (-_EVERY_S, 0))
        if now_s - at_s < _EVERY_S:
            self._told[key] = (at_s, untold + 1)
            return
        self._told[key] = (now_s, 0)
        self._told.move_to_end(key)
        if len(self._told) > _MAX_KNOCKERS:
            self._told.popitem(last=False)
        structlog.get_logger().warning(
            "call_refused",
            cause=cause[:_MAX_CHARS],
            method=method,
            caller=who,
            peer=peer,
            untold=untold,
        )
