from __future__ import annotations

import pytest

from services.crawler.catalogue import crawls, frontier, shared_hosts
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.shared_hosts import HostShare
from services.crawler.fetch.host_pace import HostStanding
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState

FRESH = HostStanding()


def terms(owner, now=100.0):
    return LeaseTerms(owner, now, 20.0)


@pytest.fixture
def shared(postgres):
    """A catalogue with three listings of each of four hosts, one of a local file, and one that was fetched."""
    with postgres.database() as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
async def crawl(shared):
    def work(connection):
        request = CrawlRequest("r", ("urls:/a",), ProfileVersion("p", 1))
        crawls.create_crawl(connection, "c", request, now=1.0)
        found = [
            Listing("urls:/a", f"http://{host}.example/{number}.jpg")
            for number in range(3)
            for host in "abcd"
        ]
        found += [
            Listing("urls:/a", "file:///local.jpg"),
            Listing("urls:/a", "http://known.example/1.jpg"),
        ]
        frontier.add_listings(connection, "c", found, now=1.0)
        known = Outcome(OutcomeState.FETCHED, None, "", "", "d" * 64, 9, 2.0)
        frontier.record_outcomes(connection, {len(found): known})

    await shared.run(work)
    return shared


def lease(database, owner, *, held=(), room=100, limit=99, now=100.0):
    """Leases for a crawler; returns the hosts of the listings, and what it claimed."""

    def work(connection):
        share = HostShare(terms(owner, now), frozenset(held), room)
        leased, claimed = shared_hosts.lease_shared(
            connection, "c", LeaseTerms(f"{owner}-run", now, 60.0), share, limit=limit
        )
        return sorted({one.listing.url.split("/")[2] for one in leased}), set(claimed)

    return database.run(work)


async def test_a_host_is_one_crawlers(crawl):
    """The second gets the other hosts' listings; whoever comes third gets none."""
    first, claimed = await lease(crawl, "one", room=2, limit=2)
    assert first == ["a.example", "b.example"]
    assert claimed == {"a.example", "b.example"}
    second, _ = await lease(crawl, "two", room=100)
    assert second == ["", "c.example", "d.example", "known.example"]
    assert await lease(crawl, "three") == ([], set())


async def test_without_room_only_what_it_has(crawl):
    """Local files and what was fetched before ask nobody."""
    await lease(crawl, "one", room=1, limit=1)
    hosts, claimed = await lease(crawl, "one", held={"a.example"}, room=0)
    assert hosts == ["", "a.example", "known.example"]
    assert claimed == set()


async def test_a_dead_crawlers_host_is_free_when_its_time_is_over(crawl):
    """Not before."""
    await lease(crawl, "one", room=1, limit=1)
    assert (
        await crawl.run(lambda c: shared_hosts.claim_hosts(c, ["a.example"], terms("two", 119.0)))
        == {}
    )
    assert await crawl.run(
        lambda c: shared_hosts.claim_hosts(c, ["a.example"], terms("two", 121.0))
    ) == {"a.example": FRESH}
    assert (
        await crawl.run(lambda c: shared_hosts.renew_hosts(c, ["a.example"], terms("one", 122.0)))
        == {}
    )


async def test_the_pace_goes_with_the_host(shared):
    """The next owner waits as long as the last one would have; a host that has rested is forgotten."""

    def hand_over(connection):
        shared_hosts.claim_hosts(connection, ["h"], terms("one"))
        shared_hosts.release_hosts(connection, {"h": HostStanding(7.0, 2.0, 30.0)}, terms("one"))
        return (
            shared_hosts.claim_hosts(connection, ["h"], terms("two", 104.0)),
            shared_hosts.claim_hosts(connection, ["h"], terms("one", 104.0)),
        )

    second, first = await shared.run(hand_over)
    assert second == {"h": HostStanding(3.0, 2.0, 26.0)}
    assert first == {}

    def forget(connection):
        shared_hosts.release_hosts(connection, {"h": FRESH}, terms("two", 104.0))
        shared_hosts.release_hosts(connection, {}, terms("two", 104.5))
        return shared_hosts.claim_hosts(connection, ["h"], terms("one", 105.0))

    assert await shared.run(forget) == {"h": FRESH}


async def test_what_another_wants_is_told(shared):
    """To the owner, when it renews; a stranger's release frees nothing."""

    def want(connection):
        shared_hosts.claim_hosts(connection, ["g", "h"], terms("one"))
        shared_hosts.want_host(connection, "h", terms("two"))
        shared_hosts.want_host(connection, "g", terms("one"))
        shared_hosts.release_hosts(connection, {"h": FRESH}, terms("two"))
        return shared_hosts.renew_hosts(connection, ["g", "h", "i"], terms("one"))

    assert await shared.run(want) == {"g": False, "h": True}
