from __future__ import annotations

import pytest

from services.crawler.catalogue import crawls, frontier, refetches
from services.crawler.catalogue.crawls import CrawlRequest, CrawlState
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState

V1, V2 = ProfileVersion("landscapes", 1), ProfileVersion("landscapes", 2)


@pytest.fixture
async def listing_ids(database):
    """Three listings that a crawl has fetched; the rows of two of them."""

    def work(connection):
        request = CrawlRequest("r", ("urls:/a",), V1)
        crawls.create_crawl(connection, "first", request, now=1.0)
        found = [Listing("urls:/a", f"http://h.example/{number}.jpg") for number in range(3)]
        frontier.add_listings(connection, "first", found, now=1.0)
        leased = frontier.lease(connection, "first", LeaseTerms("me", 2.0, 60.0), limit=9)
        for one in leased:
            fetched = Outcome(OutcomeState.FETCHED, None, "", "", "d" * 64, 9, 3.0)
            frontier.record_outcomes(connection, {one.listing_id: fetched})
        return [one.listing_id for one in leased[:2]]

    return await database.run(work)


def again(database, crawl_id, listing_ids, profile=V2):
    return database.run(lambda c: refetches.refetch(c, crawl_id, profile, listing_ids, now=5.0))


async def test_listings_are_leased_again(database, listing_ids):
    """By a crawl that has no sources, runs, and knows what became of each before."""
    crawl = await again(database, "a", listing_ids)
    assert (crawl.crawl_id, crawl.state, crawl.request.profile) == ("a", CrawlState.RUNNING, V2)
    assert crawl.request.sources == ()
    assert crawl.found_count == 2
    leased = await database.run(
        lambda c: frontier.lease(c, "a", LeaseTerms("me", 9.0, 60.0), limit=9)
    )
    assert [one.listing_id for one in leased] == listing_ids
    assert {one.outcome.state for one in leased} == {OutcomeState.FETCHED}


async def test_one_is_going_at_most(database, listing_ids):
    """More listings join it, those that it has are left alone, and a pause ends."""
    await again(database, "a", listing_ids[:1])
    await database.run(lambda c: crawls.set_state(c, "a", CrawlState.PAUSED))
    crawl = await again(database, "b", listing_ids)
    assert (crawl.crawl_id, crawl.state, crawl.found_count) == ("a", CrawlState.RUNNING, 2)
    assert len(await database.run(crawls.list_crawls)) == 2


async def test_one_that_has_ended_is_followed_by_another(database, listing_ids):
    """Neither an ended one, nor another version's, nor a crawl with sources takes them."""
    await again(database, "a", listing_ids[:1])
    await database.run(lambda c: crawls.set_state(c, "a", CrawlState.CANCELLED))
    assert (await again(database, "b", listing_ids)).crawl_id == "b"
    assert (await again(database, "c", listing_ids, V1)).crawl_id == "c"
    assert await database.run(lambda c: refetches.find_refetch(c, V2)) == "b"


@pytest.mark.parametrize(
    ("reason", "outcome_state"),
    [(OutcomeReason.HOST_DOWN, None), (OutcomeReason.NOT_FOUND, OutcomeState.FAILED)],
)
async def test_a_host_that_was_away_is_asked_again(database, listing_ids, reason, outcome_state):
    """What failed in an earlier refetch, and may pass, has no outcome in the next; what is final keeps it."""
    await again(database, "a", listing_ids)
    failed = Outcome(OutcomeState.FAILED, reason, "no", "", "", 0, 6.0)
    for listing_id in listing_ids:
        await database.run(
            lambda c, listing_id=listing_id: frontier.record_outcomes(c, {listing_id: failed})
        )
    await database.run(lambda c: crawls.set_state(c, "a", CrawlState.COMPLETED))
    await again(database, "b", listing_ids)
    leased = await database.run(
        lambda c: frontier.lease(c, "b", LeaseTerms("me", 9.0, 60.0), limit=9)
    )
    assert [one.outcome and one.outcome.state for one in leased] == [outcome_state] * 2
