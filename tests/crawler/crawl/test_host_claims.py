from __future__ import annotations

import asyncio

import pytest

from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.crawl.host_claims import ClaimTerms, HostClaims
from services.crawler.fetch.host_paces import HostPaces, HostResting
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing

TERMS = ClaimTerms(lease_s=1.0, most=2, idle_s=0.05, hold_s=0.1, look_s=0.02)


class Crawler:
    """What a crawler asks hosts with."""

    def __init__(self, url, name, limits):
        self.name = name
        self.database = Database(url)
        self.paces = HostPaces(limits, connections=32)
        self.claims = HostClaims(self.database, self.paces, name, TERMS)

    async def ask(self, host="h"):
        async with self.paces.turn(host, patience_s=5.0):
            pass

    async def lease(self, limit=99):
        leased = await self.claims.lease("c", self.name, lease_s=60.0, limit=limit, but_hosts=())
        for one in leased:
            self.claims.begin_use(one.asked_host)
        return leased

    async def close(self):
        await self.claims.close()
        self.database.close()


@pytest.fixture
async def team(postgres):
    """Two crawlers on one catalogue; the first gives hosts one request in 0.3 s."""
    with postgres.database() as url:
        slow = PaceLimits(requests_per_s=1 / 0.3, burst=1)
        fast = PaceLimits(requests_per_s=1000.0, burst=1)
        team = [Crawler(url, "one", slow), Crawler(url, "two", fast)]

        def begin(connection):
            request = CrawlRequest("r", ("urls:/a",), ProfileVersion("p", 1))
            crawls.create_crawl(connection, "c", request, now=1.0)
            found = [
                Listing("urls:/a", f"http://{host}/{number}.jpg")
                for number in range(2)
                for host in "abcde"
            ]
            frontier.add_listings(connection, "c", found, now=1.0)

        await team[0].database.run(begin)
        for crawler in team:
            crawler.claims.start()
        yield team
        for crawler in team:
            await crawler.close()


async def until_asked(crawler, host="h"):
    """Asks as soon as it may."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await crawler.ask(host)
            except HostResting:
                await asyncio.sleep(0.01)


async def test_one_crawler_asks_a_host_at_a_time(team):
    """The other is told to wait while it does, and may when it is done; at the pace of the first."""
    one, two = team
    async with one.paces.turn("h", patience_s=5.0):
        began = asyncio.get_running_loop().time()
        with pytest.raises(HostResting):
            await two.ask()
    await until_asked(two)
    # It counts from the start of the request.
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_who_always_asks_lets_the_other_have_it_too(team):
    """A host that is wanted is given up between two requests."""
    one, two = team
    asked = []

    async def keep_asking(crawler):
        while len(set(asked)) < 2:
            await until_asked(crawler)
            asked.append(crawler.name)

    async with asyncio.timeout(30):
        await asyncio.gather(keep_asking(two), keep_asking(one))
    assert set(asked) == {"one", "two"}


async def both_are_counted(one, two):
    async with asyncio.timeout(30):
        while one.claims._crawlers < 2 or two.claims._crawlers < 2:
            one.claims._counted_s = two.claims._counted_s = float("-inf")
            await asyncio.sleep(0.01)


async def test_hosts_are_shared_out(team):
    """While two are there, neither takes more hosts than it may; what is done with makes room."""
    one, two = team
    await both_are_counted(one, two)
    first, second = await one.lease(), await two.lease()
    assert sorted({listing.host for listing in first}) == ["a", "b"]
    assert sorted({listing.host for listing in second}) == ["c", "d"]
    assert len(first) == len(second) == 4
    assert await one.lease() == []
    for listing in first:
        one.claims.end_use(listing.asked_host)
    assert {listing.host for listing in await one.lease()} == {"e"}


async def test_alone_a_crawler_has_all_hosts(team):
    """Nobody else would ask them."""
    one = team[0]
    one.claims._task.cancel()
    one.claims._crawlers = 1
    assert len({listing.host for listing in await one.lease()}) == 5


async def test_who_had_all_hosts_alone_shares_them_with_who_comes(team):
    """It leases nothing more of those over its share, and gives each back once it is done with it."""
    one, two = team
    await both_are_counted(one, two)
    one.claims._crawlers = 1
    first = await one.lease(limit=5)
    assert {listing.host for listing in first} == set("abcde")
    one.claims._crawlers = 2
    assert await two.lease() == []
    assert {listing.host for listing in await one.lease()} == {"a", "b"}
    for listing in first:
        if listing.host not in "ab":
            one.claims.end_use(listing.asked_host)
    async with asyncio.timeout(30):
        while not (leased := await two.lease()):
            await asyncio.sleep(0.01)
    assert {listing.host for listing in leased} <= set("cde")


async def test_what_a_dead_crawler_held_is_free_after_its_lease(team):
    """It gave nothing back."""
    one, two = team
    await one.lease(limit=1)
    one.claims._task.cancel()
    with pytest.raises(HostResting):
        await two.ask("a")
    await until_asked(two, "a")


async def test_a_crawler_that_slept_asks_for_its_host_again(team):
    """The other has it by then."""
    one, two = team
    await one.ask()
    one.claims._task.cancel()
    one.claims._held["h"].valid_s = 0.0
    await until_asked(two)
    async with two.paces.turn("h", patience_s=1.0):
        with pytest.raises(HostResting):
            await one.ask()
