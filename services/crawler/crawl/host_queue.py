"""Leased listings by host, handed out when their hosts may be asked, those of a higher priority first."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import time
from collections import Counter, OrderedDict

from services.crawler.catalogue.frontier import LeasedListing
from services.crawler.crawl.change_signal import ChangeSignal
from services.crawler.crawl.precedence import Precedence
from services.crawler.fetch.host_paces import HostPaces

# More than a host may have under way, since what is fetched is decoded and judged before it is done.
_HANDED_OUT_MAX = 8
_CROWD = 16
# Another crawl may ask the same host, and does not tell this queue when it is done.
_LOOK_AGAIN_S = 0.25
# Crawls that take turns wait for a moment again and again: that is not worth a word.
_TOLD_AFTER_S = 3.0


class HostQueue:
    """Hands out one host's listing after the other's, so that a slow host holds up only itself.

    Belongs to one crawl and one event loop.
    """

    def __init__(
        self, crawl_id: str, paces: HostPaces, precedence: Precedence, *, patience_s: float
    ) -> None:
        """Takes the crawl, the paces of all hosts, and what all crawls hold.

        A host that rests longer than `patience_s` is handed out to be given back.
        """
        self._crawl_id = crawl_id
        self._paces = paces
        self._precedence = precedence
        self._patience_s = patience_s
        # Of each host by priority, then as they came.
        self._waiting: OrderedDict[str, list[LeasedListing]] = OrderedDict()
        self._handed_out: Counter[str] = Counter()
        self._changed = ChangeSignal()
        self._count = 0
        self._used_time = time.monotonic()

    def __len__(self) -> int:
        """How many listings wait."""
        return self._count

    @property
    def crowded_hosts(self) -> list[str]:
        """Hosts that have so many listings here that no more of theirs are worth leasing."""
        return [host for host, waiting in self._waiting.items() if len(waiting) >= _CROWD]

    @property
    def waits_for(self) -> str:
        """The crawl of a higher priority that keeps all of these listings waiting for some seconds now; else empty.

        Of several, that which does so at most hosts.
        """
        if self._handed_out or time.monotonic() - self._used_time < _TOLD_AFTER_S:
            return ""
        ahead = Counter(
            self._precedence.ahead_of(host, waiting[0].priority)
            for host, waiting in self._waiting.items()
        )
        if not ahead or None in ahead:
            return ""
        return str(ahead.most_common(1)[0][0])

    def put(self, leased: LeasedListing) -> None:
        """Adds a listing."""
        waiting = self._waiting.setdefault(leased.asked_host, [])
        bisect.insort(waiting, leased, key=lambda one: -one.priority)
        self._precedence.wait(leased.asked_host, leased.priority, self._crawl_id)
        self._count += 1
        self._changed.notify()

    async def get(self) -> LeasedListing:
        """Waits for a listing whose host may be asked; each must be given to `done` later."""
        while True:
            changed = self._changed.next()
            host, wait_s = self._next_host()
            if wait_s == 0.0:
                return self._take(host)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, _LOOK_AGAIN_S) if self._count else None):
                    await changed.wait()

    def done(self, leased: LeasedListing) -> None:
        """A listing that was handed out is settled or given back."""
        host = leased.asked_host
        self._handed_out[host] -= 1
        if not self._handed_out[host]:
            del self._handed_out[host]
        self._used_time = time.monotonic()
        self._precedence.end(leased.priority, self._crawl_id)
        self._changed.notify()

    def close(self) -> None:
        """Nobody gets what still waits: other crawls need not wait for it."""
        for host, waiting in self._waiting.items():
            for leased in waiting:
                self._precedence.end_wait(host, leased.priority, self._crawl_id)
        self._waiting.clear()
        self._count = 0

    async def wait_for_room(self, limit: int) -> None:
        """Waits until fewer than `limit` listings wait."""
        while self._count >= limit:
            await self._changed.next().wait()

    def _next_host(self) -> tuple[str, float]:
        """The host that is next of those that may be asked, with 0; or none, with the seconds until one may.

        Next is whose first listing has the highest priority, then the first in turn.
        """
        soonest_s, highest, next_host = float("inf"), float("-inf"), ""
        for host, waiting in self._waiting.items():
            priority = waiting[0].priority
            if priority <= highest:
                continue
            wait_s = self._wait_s(host, priority)
            if wait_s == 0.0:
                highest, next_host = priority, host
            soonest_s = min(soonest_s, wait_s)
        return next_host, soonest_s

    def _wait_s(self, host: str, priority: int) -> float:
        if not self._precedence.goes_first(host, priority):
            return float("inf")
        if not host:
            return 0.0
        if self._handed_out[host] >= _HANDED_OUT_MAX or self._paces.is_full(host):
            return float("inf")
        wait_s = self._paces.wait_s(host)
        return 0.0 if wait_s > self._patience_s else wait_s

    def _take(self, host: str) -> LeasedListing:
        waiting = self._waiting[host]
        leased = waiting.pop(0)
        # The next host is next.
        self._waiting.move_to_end(host)
        if not waiting:
            del self._waiting[host]
        self._count -= 1
        self._handed_out[host] += 1
        self._precedence.end_wait(host, leased.priority, self._crawl_id)
        self._precedence.begin(leased.priority, self._crawl_id)
        self._changed.notify()
        return leased
