from __future__ import annotations

from dataclasses import replace

import pytest

from services.crawler.catalogue import crawls, frontier, settling
from services.crawler.catalogue.crawls import (
    Count,
    CrawlLimits,
    CrawlRequest,
    CrawlState,
)
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.source_settings import SourceSettings
from services.servicekit.errors import NotFound

REQUEST = CrawlRequest("r1", ("folder:/b", "folder:/a"), ProfileVersion("p", 3), CrawlLimits(7, 2))


def fetched(digest):
    return Outcome(OutcomeState.FETCHED, None, "", "http://x/", digest, 10, 5.0)


def settled_crawl(connection, settlements):
    crawls.create_crawl(connection, "c1", REQUEST, now=1.0)
    found = [Listing("folder:/a", f"file:///a/{n}.jpg") for n in range(len(settlements))]
    frontier.add_listings(connection, "c1", found, now=1.0)
    leased = frontier.lease(connection, "c1", LeaseTerms("me", 2.0, 9.0), limit=99)
    for one, settlement in zip(leased, settlements, strict=True):
        frontier.record_outcomes(connection, {one.listing_id: settlement.outcome})
        settling.settle(connection, [Ending("c1", one, settlement)])
    return leased


async def test_created_as_asked(database):
    """A crawl comes back as it was asked for, sources in their order."""
    crawl = await database.run(lambda c: crawls.create_crawl(c, "c1", REQUEST, now=1.0))
    defaults = {uri: SourceSettings() for uri in REQUEST.sources}
    assert crawl.request == replace(REQUEST, settings=defaults)
    assert (crawl.state, crawl.found_count, crawl.last_sequence) == (CrawlState.RUNNING, 0, 0)


async def test_request_id_makes_one_crawl(database):
    """The same request_id returns the first crawl."""

    def work(connection):
        crawls.create_crawl(connection, "c1", REQUEST, now=1.0)
        again = crawls.create_crawl(connection, "c2", REQUEST, now=2.0)
        return again.crawl_id, len(crawls.list_crawls(connection))

    assert await database.run(work) == ("c1", 1)


async def test_unknown_crawl(database):
    """An unknown id is NotFound."""
    with pytest.raises(NotFound, match="nope"):
        await database.run(lambda c: crawls.get_crawl(c, "nope"))


async def test_an_ended_crawl_stays_ended(database):
    """Nothing brings a completed crawl back."""

    def work(connection):
        crawls.create_crawl(connection, "c1", REQUEST, now=1.0)
        crawls.set_state(connection, "c1", CrawlState.PAUSED)
        crawls.set_state(connection, "c1", CrawlState.COMPLETED, "done")
        crawls.set_state(connection, "c1", CrawlState.RUNNING)
        return crawls.get_crawl(connection, "c1")

    crawl = await database.run(work)
    assert (crawl.state, crawl.state_reason) == (CrawlState.COMPLETED, "done")


async def test_settling_orders_and_counts(database):
    """Sequences run from 1 without gaps; the same bytes again count as a duplicate."""
    missing = Outcome(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, "404", "", "", 0, 5.0)
    settlements = [
        Settlement(fetched("d1"), Verdict.ACCEPTED, known=False),
        Settlement(missing, None, known=False),
        Settlement(fetched("d1"), Verdict.ACCEPTED, known=False),
        Settlement(fetched("d2"), Verdict.OFF_PROFILE, known=True),
    ]

    def work(connection):
        settled_crawl(connection, settlements)
        settled = crawls.list_settled(connection, "c1", after=0, limit=99)
        return settled, crawls.list_counts(connection, "c1")

    settled, counts = await database.run(work)
    assert [one.sequence for one in settled] == [1, 2, 3, 4]
    assert [one.repeated for one in settled] == [False, False, True, False]
    assert [one.outcome for one in settled] == [one.outcome for one in settlements]
    assert set(counts) == {
        Count(OutcomeState.FETCHED, None, Verdict.ACCEPTED, known=False, count=1),
        Count(OutcomeState.FETCHED, None, Verdict.DUPLICATE, known=False, count=1),
        Count(OutcomeState.FETCHED, None, Verdict.OFF_PROFILE, known=True, count=1),
        Count(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, None, known=False, count=1),
    }


async def test_settling_twice_changes_nothing(database):
    """A listing has one outcome and one place in the order."""
    settlement = Settlement(fetched("d1"), Verdict.ACCEPTED, known=False)

    def work(connection):
        leased = settled_crawl(connection, [settlement])
        settling.settle(connection, [Ending("c1", leased[0], settlement)])
        return crawls.get_crawl(connection, "c1").last_sequence, crawls.list_counts(
            connection, "c1"
        )

    sequence, counts = await database.run(work)
    assert sequence == 1
    assert [count.count for count in counts] == [1]


async def test_watching_from_the_middle(database):
    """`after` leaves out what was seen, `limit` cuts pages."""
    settlements = [Settlement(fetched(f"d{n}"), Verdict.ACCEPTED, known=False) for n in range(5)]

    def work(connection):
        settled_crawl(connection, settlements)
        return crawls.list_settled(connection, "c1", after=2, limit=2)

    assert [one.sequence for one in await database.run(work)] == [3, 4]
