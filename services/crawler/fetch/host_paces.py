"""The paces of all hosts, and turns to ask them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from services.crawler.fetch.host_pace import HostPace, HostStanding
from services.crawler.fetch.pace_limits import PaceLimits
from services.servicekit.errors import LodestoneError

_SWEEP_AT = 1_000


class HostResting(LodestoneError):
    """A host is not to be asked yet; nothing was asked, and this is no outcome.

    Attributes:
        host: The host.
        wait_s: After how many seconds it may be worth another look.
    """

    def __init__(self, host: str, wait_s: float) -> None:
        super().__init__(f"{host} is not asked for another {wait_s:.1f} s")
        self.host = host
        self.wait_s = wait_s


class HostDown(LodestoneError):
    """A host failed through all its pauses and is not asked for a while.

    Attributes:
        host: The host.
    """

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} failed again and again and is not asked for a while")
        self.host = host


@dataclass(slots=True)
class _Host:
    pace: HostPace
    # First come, first served: who holds it waits for the host.
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    users: int = 0
    # What the robots.txt of each of its origins asks for, if it asks.
    delays_s: dict[Hashable, float] = field(default_factory=dict)


class HostSharing(Protocol):
    """Whether this process may ask a host that others want to ask too."""

    def asking(self, host: str) -> AbstractAsyncContextManager[None]:
        """While it is held, nobody else asks the host; raises HostResting while somebody does."""
        ...


class HostPaces:
    """Hands out turns; hosts that nobody asks are forgotten once nothing is lost by it."""

    def __init__(self, limits: PaceLimits, *, connections: int) -> None:
        """Takes the bounds for each host, and the requests at a time over all hosts."""
        self._limits = limits
        self._total = asyncio.Semaphore(connections)
        self._hosts: dict[str, _Host] = {}
        self._sharing: HostSharing | None = None
        self._sweep_at = _SWEEP_AT
        # Spreads pauses; nothing secret depends on it.
        self._jitter = random.Random()  # noqa: S311

    @property
    def host_count(self) -> int:
        """How many hosts are remembered."""
        return len(self._hosts)

    def share(self, sharing: HostSharing) -> None:
        """From now on hosts are asked when `sharing` lets us."""
        self._sharing = sharing

    def standing(self, host: str) -> HostStanding:
        """How a host stands that is not asked just now."""
        known = self._hosts.get(host)
        return HostStanding() if known is None else known.pace.standing(_now())

    def go_on(self, host: str, standing: HostStanding) -> None:
        """Goes on where another process stood."""
        (self._hosts.get(host) or self._remember(host)).pace.go_on(_now(), standing)

    def wait_s(self, host: str) -> float:
        """For how long a host is not to be asked, seconds, as far as time decides; 0 if it may be asked or is down."""
        known, now = self._hosts.get(host), _now()
        if known is None or known.pace.is_down(now):
            return 0.0
        return max(0.0, known.pace.ready_time() - now)

    def is_full(self, host: str) -> bool:
        """Whether as many requests are under way as the host may have."""
        known = self._hosts.get(host)
        return known is not None and known.pace.is_full()

    def set_crawl_delay(self, host: str, delay_s: float, *, origin: Hashable) -> None:
        """Takes over the delay that one origin of a host asks for, seconds; 0 for none. The largest of them counts.

        Each scheme and port has its own robots.txt, and all of them are the same host.
        """
        known = self._hosts.get(host)
        if known is None and delay_s > 0:
            known = self._remember(host)
        if known is None:
            return
        known.delays_s.pop(origin, None)
        if delay_s > 0:
            known.delays_s[origin] = delay_s
        known.pace.set_crawl_delay(max(known.delays_s.values(), default=0.0))

    @asynccontextmanager
    async def turn(self, host: str, *, patience_s: float) -> AsyncIterator[HostPace]:
        """Waits for a host's turn, then holds it; gives its pace, to be told how it went.

        Args:
            host: The host.
            patience_s: How long to wait at most, seconds.

        Raises:
            HostDown: It is not asked for a while.
            HostResting: Its turn does not come in time, or another process asks it.
        """
        if self._sharing is None:
            async with self._turn(host, patience_s) as pace:
                yield pace
        else:
            async with self._sharing.asking(host), self._turn(host, patience_s) as pace:
                yield pace

    @asynccontextmanager
    async def _turn(self, host: str, patience_s: float) -> AsyncIterator[HostPace]:
        known = self._hosts.get(host) or self._remember(host)
        known.users += 1
        try:
            try:
                async with asyncio.timeout(patience_s):
                    await self._start(host, known, _now() + patience_s)
            except TimeoutError as error:
                raise HostResting(host, max(known.pace.gap_s, self.wait_s(host))) from error
            try:
                yield known.pace
            finally:
                known.pace.end(_now())
                known.freed.set()
                self._total.release()
        finally:
            known.users -= 1

    async def _start(self, host: str, known: _Host, latest: float) -> None:
        async with known.queue:
            while True:
                # Without a place among all requests: who waits for one host holds up no other.
                await self._wait(host, known, latest)
                await self._total.acquire()
                # The host may have been paused meanwhile.
                if not known.pace.is_full() and known.pace.ready_time() <= _now():
                    break
                self._total.release()
            known.pace.start(_now())

    async def _wait(self, host: str, known: _Host, latest: float) -> None:
        while True:
            now = _now()
            if known.pace.is_down(now):
                raise HostDown(host)
            ready = known.pace.ready_time()
            if ready > latest:
                raise HostResting(host, ready - now)
            if known.pace.is_full():
                known.freed.clear()
                await known.freed.wait()
            elif ready > now:
                await asyncio.sleep(ready - now)
            else:
                return

    def _remember(self, host: str) -> _Host:
        if len(self._hosts) >= self._sweep_at:
            now = _now()
            self._hosts = {
                name: known
                for name, known in self._hosts.items()
                if known.users or not known.pace.is_idle(now)
            }
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._hosts))
        known = _Host(HostPace(self._limits, jitter=self._jitter))
        self._hosts[host] = known
        return known


def _now() -> float:
    return asyncio.get_running_loop().time()
