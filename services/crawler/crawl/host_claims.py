"""The hosts that this crawler has of those that it shares with others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from services.crawler.catalogue import crawlers, shared_hosts
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, LeaseTerms
from services.crawler.catalogue.shared_hosts import HostShare
from services.crawler.fetch.host_pace import HostStanding
from services.crawler.fetch.host_paces import HostPaces, HostResting
from services.servicekit.errors import LodestoneError

# Where nobody else is, a crawler may have so many.
_ALONE = 100_000
_ASK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """How hosts are shared.

    Attributes:
        lease_s: A crawler that dies or stops loses its hosts after so many seconds.
        most: Hosts that a crawler has at a time, while others are there.
        idle_s: A host that is not asked for so long is given back, seconds.
        hold_s: A host that another wants is held for so long at least, seconds.
        look_s: How often it is looked whether one is to be given back, seconds.
    """

    lease_s: float = 20.0
    most: int = 32
    idle_s: float = 0.5
    hold_s: float = 5.0
    look_s: float = 0.5


@dataclass(slots=True)
class _Held:
    since_s: float
    valid_s: float
    used_s: float
    active: int = 0
    yielding: bool = False


class HostClaims:
    """Takes hosts before they are asked, holds them while there is something to ask, and gives them back.

    Which crawler has a host is in the catalogue; how it is asked, its pace, is the owner's alone and handed on with it.
    Belongs to one event loop. Clocks here are monotonic: a crawler that was stopped notices that its time is over.
    """

    def __init__(
        self,
        database: Database,
        paces: HostPaces,
        owner: str,
        terms: ClaimTerms = ClaimTerms(),
    ) -> None:
        self._database = database
        self._paces = paces
        self._owner = owner
        self._terms = terms
        self._held: dict[str, _Held] = {}
        # Listings that wait for their host, or are under way.
        self._users: Counter[str] = Counter()
        self._crawlers = 1
        self._counted_s = self._renewed_s = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look after the hosts, and takes part in whether they are asked."""
        self._paces.share(self)
        self._task = asyncio.create_task(self._look_after())

    async def close(self) -> None:
        """Gives all of them back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._give_back([host for host, held in self._held.items() if not held.active])

    async def lease(
        self,
        crawl_id: str,
        owner: str,
        *,
        lease_s: float,
        limit: int,
        but_hosts: Collection[str],
    ) -> list[LeasedListing]:
        """Leases listings of hosts that it has or can take; `begin_use` is to follow for each."""
        asked_s = time.monotonic()

        def work(connection: Connection) -> tuple[list[LeasedListing], dict[str, HostStanding]]:
            now = catalogue_time(connection)
            return shared_hosts.lease_shared(
                connection,
                crawl_id,
                LeaseTerms(owner, now, lease_s),
                replace(self._share(now), but=frozenset(but_hosts)),
                limit=limit,
            )

        leased, claimed = await self._database.run(work)
        self._take(claimed, asked_s)
        return leased

    def begin_use(self, host: str) -> None:
        """A listing of this host waits or is under way; empty for none."""
        if host:
            self._users[host] += 1

    def end_use(self, host: str) -> None:
        """It is done or given back."""
        if not host:
            return
        self._users[host] -= 1
        if not self._users[host]:
            del self._users[host]
        if host in self._held:
            self._held[host].used_s = time.monotonic()

    @contextlib.asynccontextmanager
    async def asking(self, host: str) -> AsyncIterator[None]:
        """Holds a host while it is asked.

        Raises:
            HostResting: Another crawler has it.
        """
        held = await self._hold(host)
        held.active += 1
        try:
            yield
        finally:
            held.active -= 1
            held.used_s = time.monotonic()

    async def _hold(self, host: str) -> _Held:
        held, now_s = self._held.get(host), time.monotonic()
        if held is not None and held.yielding:
            raise HostResting(host, _ASK_AGAIN_S)
        if held is None or now_s >= held.valid_s:
            claimed = await self._database.run(partial(self._claim, host=host))
            if not claimed:
                self._held.pop(host, None)
                raise HostResting(host, _ASK_AGAIN_S)
            self._take(claimed, now_s)
        return self._held[host]

    def _claim(self, connection: Connection, host: str) -> dict[str, HostStanding]:
        terms = self._lease_terms(catalogue_time(connection))
        claimed = shared_hosts.claim_hosts(connection, [host], terms)
        if not claimed:
            shared_hosts.want_host(connection, host, terms)
        return claimed

    def _take(self, claimed: Mapping[str, HostStanding], asked_s: float) -> None:
        for host, standing in claimed.items():
            held = self._held.get(host)
            if held is None:
                self._paces.go_on(host, standing)
                self._held[host] = _Held(asked_s, asked_s + self._terms.lease_s, asked_s)
            else:
                held.valid_s = asked_s + self._terms.lease_s

    def _share(self, now: float) -> HostShare:
        now_s = time.monotonic()
        valid = [host for host, held in self._held.items() if now_s < held.valid_s]
        used = [host for host in valid if host in self._users]
        most = _ALONE if self._crawlers == 1 else self._terms.most
        # Who had more while nobody else was there takes no more of those over his share, and is soon done with them.
        mine = frozenset(valid if len(used) <= most else used[:most])
        return HostShare(self._lease_terms(now), mine, most - len(used))

    def _lease_terms(self, now: float) -> LeaseTerms:
        return LeaseTerms(self._owner, now, self._terms.lease_s)

    async def _look_after(self) -> None:
        while True:
            try:
                await self._look()
            except (LodestoneError, SQLAlchemyError) as error:
                structlog.get_logger().warning("hosts_not_renewed", cause=str(error))
            await asyncio.sleep(self._terms.look_s)

    async def _look(self) -> None:
        now_s = time.monotonic()
        if now_s - self._counted_s >= crawlers.SILENT_S / 6:
            self._crawlers = await self._database.run(crawlers.count_crawlers)
            self._counted_s = now_s
        if now_s - self._renewed_s >= self._terms.lease_s / 4:
            await self._renew(now_s)
            self._renewed_s = now_s
        await self._give_back(self._idle(now_s))

    async def _renew(self, now_s: float) -> None:
        names = list(self._held)
        if not names:
            return

        def work(connection: Connection) -> dict[str, bool]:
            terms = self._lease_terms(catalogue_time(connection))
            return shared_hosts.renew_hosts(connection, names, terms)

        mine = await self._database.run(work)
        for host in names:
            held = self._held.get(host)
            if held is None:
                continue
            if host not in mine:
                # Taken meanwhile: whoever asks it next takes it again, or waits.
                held.valid_s = now_s
                continue
            held.valid_s = now_s + self._terms.lease_s
            held.yielding = mine[host] and now_s - held.since_s >= self._terms.hold_s

    def _idle(self, now_s: float) -> list[str]:
        """Hosts that are to be given back."""
        return [
            host
            for host, held in self._held.items()
            if not held.active
            and (
                held.yielding
                or (host not in self._users and now_s - held.used_s >= self._terms.idle_s)
            )
        ]

    async def _give_back(self, names: Collection[str]) -> None:
        if not names:
            return
        standings = {host: self._paces.standing(host) for host in names}
        # First forgotten, then free: in between it is asked for anew.
        for host in names:
            del self._held[host]

        def work(connection: Connection) -> None:
            terms = self._lease_terms(catalogue_time(connection))
            shared_hosts.release_hosts(connection, standings, terms)

        await self._database.run(work)
