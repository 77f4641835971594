"""Transactions that write the same rows take them in one order, whatever order they are told of them in."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing

import pytest
from sqlalchemy import text, update

from services.crawler.catalogue import crawls, frontier, judgements, shared_hosts
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, LeaseTerms
from services.crawler.catalogue.judgements import Learned
from services.crawler.catalogue.schema import listings
from services.crawler.catalogue.settling import lost_leases
from services.crawler.judgement import Evidence, ProfileVersion
from services.crawler.listing import Listing
from tests.crawler.subjects import decoded_candidate, embedding

PROFILE = ProfileVersion("p", 1)
TERMS = LeaseTerms("me", 2.0, 60.0)
# Of three rows that are told of in the other order.
LATER_FIRST = (3, 2, 1)
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def listing(number):
    return Listing("urls:/a", f"http://h/{number}.jpg")


def digest(number):
    return f"{number:064x}"


def begin(connection):
    """Three listings of one crawl, another crawl, and three hosts."""
    for crawl_id in ("c1", "c2"):
        request = CrawlRequest(f"r-{crawl_id}", ("urls:/a",), PROFILE)
        crawls.create_crawl(connection, crawl_id, request, now=1.0)
    found = [listing(10 + number) for number in (1, 2, 3)]
    frontier.add_listings(connection, "c1", found, now=1.0)
    for number in LATER_FIRST:
        # A row that is written lies behind the others.
        written = update(listings).where(listings.c.listing_id == number)
        connection.execute(written.values(attempts=1))
        shared_hosts.claim_hosts(connection, [f"h{number}"], TERMS)


def add_listings(connection, numbers):
    frontier.add_listings(connection, "c1", [listing(number) for number in numbers], now=2.0)


def add_known(connection, numbers):
    frontier.add_known(connection, "c2", numbers)


def record_candidates(connection, numbers):
    kinds = {
        1: Evidence(embedding=embedding(1)),
        2: Evidence(),
        3: Evidence(embedding=embedding(3)),
    }
    learned = [
        Learned(digest(10 + number), decoded_candidate(number), 9, kinds[number])
        for number in numbers
    ]
    judgements.record_candidates(connection, learned)


def look_for_leases(connection, numbers):
    lost_leases(connection, [LeasedListing(number, listing(number), 0, None) for number in numbers])


def renew_hosts(connection, numbers):
    shared_hosts.renew_hosts(connection, [f"h{number}" for number in numbers], TERMS)


@pytest.mark.parametrize(
    "write",
    [add_listings, add_known, record_candidates, look_for_leases, renew_hosts],
)
async def test_who_waits_for_a_row_has_none_behind_it(postgres, write):
    """One has the second row, and takes the third while another, who was told of the third first, waits for it."""
    runs = []
    loop = asyncio.get_running_loop()
    with (
        postgres.database() as url,
        closing(Database(url)) as first,
        closing(Database(url)) as second,
    ):
        await first.run(begin)

        def wait(connection):
            runs.append("second")
            write(connection, LATER_FIRST)

        def work(connection):
            runs.append("first")
            write(connection, [2])
            waiting = asyncio.run_coroutine_threadsafe(second.run(wait), loop)
            deadline_s = time.monotonic() + 20
            while not connection.execute(_WAITING).scalar_one():
                assert time.monotonic() < deadline_s
                assert not waiting.done()
            write(connection, [3])
            return waiting

        waiting = await first.run(work)
        await asyncio.wrap_future(waiting)
    assert runs == ["first", "second"], "a deadlock is tried again"


async def test_listings_are_leased_in_the_order_in_which_they_were_found(postgres):
    """Though they are inserted in that of their addresses."""
    with postgres.database() as url, closing(Database(url)) as database:
        await database.run(begin)
        await database.run(lambda c: add_listings(c, (9, 7, 8)))
        leased = await database.run(lambda c: frontier.lease(c, "c1", TERMS, limit=9))
    numbers = [int(one.listing.url[len("http://h/") : -len(".jpg")]) for one in leased]
    assert numbers == [11, 12, 13, 9, 7, 8]
