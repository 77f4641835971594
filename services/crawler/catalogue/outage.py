"""Waiting for a database that cannot be used for now."""

from __future__ import annotations

import threading
import time

import structlog

from services.servicekit.errors import Unavailable

_FIRST_WAIT_S = 0.05
_LAST_WAIT_S = 5.0
_TELL_EVERY_S = 60.0


class CatalogueAway(Unavailable):
    """The database did not do what it was asked, for a reason that passes: nothing was written."""

    def __init__(self, cause: str) -> None:
        super().__init__("the catalogue", cause)


class Outage:
    """Waits between tries, longer each time up to 5 s, and says so at once and then once a minute.

    Attributes:
        cause: Why the last try failed, one line; empty while all is well.
    """

    def __init__(self) -> None:
        self.cause = ""
        self._ending = threading.Event()
        self._wait_s = _FIRST_WAIT_S
        self._since_s = self._told_s = 0.0

    def wait(self, away: CatalogueAway) -> None:
        """Waits until it is worth another try.

        Raises:
            CatalogueAway: The process ends: nobody waits any longer.
        """
        now_s = time.monotonic()
        if not self.cause:
            self._since_s = now_s
        if not self.cause or now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            waited_s = round(now_s - self._since_s, 1)
            structlog.get_logger().warning("catalogue_away", cause=away.cause, waited_s=waited_s)
        self.cause = away.cause
        if self._ending.wait(self._wait_s):
            raise away
        self._wait_s = min(2 * self._wait_s, _LAST_WAIT_S)

    def require_hope(self) -> None:
        """Passes unless the process ends while the database is away: another try may take long.

        Raises:
            CatalogueAway: It does.
        """
        if self.cause and self._ending.is_set():
            raise CatalogueAway(self.cause)

    def end(self) -> None:
        """Notes that a try succeeded."""
        if self.cause:
            waited_s = round(time.monotonic() - self._since_s, 1)
            structlog.get_logger().info("catalogue_back", waited_s=waited_s)
            self.cause, self._wait_s = "", _FIRST_WAIT_S

    def give_up(self) -> None:
        """Ends the wait that is going on, and all later ones."""
        self._ending.set()
