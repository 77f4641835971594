"""Leased listings by host, handed out when their hosts may be asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque

from services.crawler.catalogue.frontier import LeasedListing
from services.crawler.crawl.change_signal import ChangeSignal
from services.crawler.fetch.host_paces import HostPaces

# More than a host may have under way, since what is fetched is decoded and judged before it is done.
_HANDED_OUT_MAX = 8
_CROWD = 16
# Another crawl may ask the same host, and does not tell this queue when it is done.
_LOOK_AGAIN_S = 0.25


class HostQueue:
    """Hands out one host's listing after the other's, so that a slow host holds up only itself.

    Belongs to one crawl and one event loop.
    """

    def __init__(self, paces: HostPaces, *, patience_s: float) -> None:
        """Takes the paces of all hosts; a host that rests longer than `patience_s` is handed out to be given back."""
        self._paces = paces
        self._patience_s = patience_s
        self._waiting: OrderedDict[str, deque[LeasedListing]] = OrderedDict()
        self._handed_out: Counter[str] = Counter()
        self._changed = ChangeSignal()
        self._count = 0

    def __len__(self) -> int:
        """How many listings wait."""
        return self._count

    @property
    def crowded_hosts(self) -> list[str]:
        """Hosts that have so many listings here that no more of theirs are worth leasing."""
        return [host for host, waiting in self._waiting.items() if len(waiting) >= _CROWD]

    def put(self, leased: LeasedListing) -> None:
        """Adds a listing."""
        self._waiting.setdefault(leased.asked_host, deque()).append(leased)
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
        self._changed.notify()

    async def wait_for_room(self, limit: int) -> None:
        """Waits until fewer than `limit` listings wait."""
        while self._count >= limit:
            await self._changed.next().wait()

    def _next_host(self) -> tuple[str, float]:
        """The first host in turn that may be asked, with 0; or none, with the seconds until one may."""
        soonest_s = float("inf")
        for host in self._waiting:
            wait_s = self._wait_s(host)
            if wait_s == 0.0:
                return host, 0.0
            soonest_s = min(soonest_s, wait_s)
        return "", soonest_s

    def _wait_s(self, host: str) -> float:
        if not host:
            return 0.0
        if self._handed_out[host] >= _HANDED_OUT_MAX or self._paces.is_full(host):
            return float("inf")
        wait_s = self._paces.wait_s(host)
        return 0.0 if wait_s > self._patience_s else wait_s

    def _take(self, host: str) -> LeasedListing:
        waiting = self._waiting[host]
        leased = waiting.popleft()
        # The next host is next.
        self._waiting.move_to_end(host)
        if not waiting:
            del self._waiting[host]
        self._count -= 1
        self._handed_out[host] += 1
        self._changed.notify()
        return leased
