from __future__ import annotations

import pytest

from services.crawler.catalogue import crawls, frontier, settling
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState

LISTINGS = [Listing("urls:/list.txt", f"http://a.example/{n}.jpg", f"title {n}") for n in range(5)]
TERMS = LeaseTerms("me", now=100.0, duration_s=60.0)


def make_crawl(connection, crawl_id="c1"):
    request = CrawlRequest(f"request-{crawl_id}", ("urls:/list.txt",), ProfileVersion("p", 1))
    return crawls.create_crawl(connection, crawl_id, request, now=1.0)


def failed(reason):
    return Outcome(OutcomeState.FAILED, reason, "a sentence", "", "", 0, 5.0)


async def test_listings_are_added_once(database):
    """Adding again, also twice within one batch, adds nothing and counts nothing."""

    def work(connection):
        make_crawl(connection)
        first = frontier.add_listings(connection, "c1", LISTINGS + LISTINGS[:2], now=1.0)
        again = frontier.add_listings(connection, "c1", LISTINGS, now=2.0)
        return first, again, crawls.get_crawl(connection, "c1").found_count

    assert await database.run(work) == (5, 0, 5)


async def test_lease_is_exclusive_until_it_expires(database):
    """What is leased is not leased again before its time; after it, it is."""

    def work(connection):
        make_crawl(connection)
        frontier.add_listings(connection, "c1", LISTINGS, now=1.0)
        mine = frontier.lease(connection, "c1", TERMS, limit=3)
        others = frontier.lease(connection, "c1", LeaseTerms("other", 130.0, 60.0), limit=9)
        late = frontier.lease(connection, "c1", LeaseTerms("late", 161.0, 60.0), limit=9)
        return [[one.listing.url for one in leased] for leased in (mine, others, late)]

    mine, others, late = await database.run(work)
    urls = [listing.url for listing in LISTINGS]
    assert (mine, others, late) == (urls[:3], urls[3:], urls[:3])


async def test_renewed_leases_hold(database):
    """Renewal moves the expiry of everything that the owner holds."""

    def work(connection):
        make_crawl(connection)
        frontier.add_listings(connection, "c1", LISTINGS, now=1.0)
        frontier.lease(connection, "c1", TERMS, limit=9)
        frontier.renew(connection, LeaseTerms("me", 150.0, 60.0))
        return frontier.lease(connection, "c1", LeaseTerms("late", 161.0, 60.0), limit=9)

    assert await database.run(work) == []


@pytest.mark.parametrize("give_back", [frontier.release_all, None], ids=["all", "owner"])
async def test_given_back_at_once(database, give_back):
    """A new process, or a run that ends, makes leased listings free before they expire."""

    def work(connection):
        make_crawl(connection)
        frontier.add_listings(connection, "c1", LISTINGS, now=1.0)
        frontier.lease(connection, "c1", TERMS, limit=9)
        if give_back:
            give_back(connection)
        else:
            frontier.release_owner(connection, "me")
        return len(frontier.lease(connection, "c1", LeaseTerms("next", 101.0, 60.0), limit=9))

    assert await database.run(work) == 5


async def test_release_waits_and_counts_the_attempt(database):
    """A listing that is given back comes again at its time, with one attempt more."""

    def work(connection):
        make_crawl(connection)
        frontier.add_listings(connection, "c1", LISTINGS[:1], now=1.0)
        leased = frontier.lease(connection, "c1", TERMS, limit=1)[0]
        frontier.release(connection, leased.listing_id, "me", next_attempt_time=110.0, tried=True)
        early = frontier.lease(connection, "c1", LeaseTerms("me", 109.0, 60.0), limit=1)
        then = frontier.lease(connection, "c1", LeaseTerms("me", 110.0, 60.0), limit=1)
        return early, [one.attempts for one in then]

    assert await database.run(work) == ([], [1])


async def test_a_stranger_cannot_release(database):
    """Only the holder gives a lease back."""

    def work(connection):
        make_crawl(connection)
        frontier.add_listings(connection, "c1", LISTINGS[:1], now=1.0)
        leased = frontier.lease(connection, "c1", TERMS, limit=1)[0]
        frontier.release(
            connection, leased.listing_id, "stranger", next_attempt_time=0.0, tried=True
        )
        return frontier.lease(connection, "c1", LeaseTerms("stranger", 101.0, 60.0), limit=1)

    assert await database.run(work) == []


async def test_what_another_crawl_tries_again_stays_settled_for_the_first(database):
    """As failed, with its sentence, until there is another outcome; whoever watches the first is told of it."""

    def work(connection):
        for crawl_id in ("c1", "c2"):
            make_crawl(connection, crawl_id)
        frontier.add_listings(connection, "c1", LISTINGS[:1], now=1.0)
        (leased,) = frontier.lease(connection, "c1", TERMS, limit=1)
        outcome = failed(OutcomeReason.TIMEOUT)
        settlement = Settlement(outcome, None, known=False)
        settling.settle(connection, [Ending("c1", leased, settlement)])
        frontier.add_listings(connection, "c2", LISTINGS[:1], now=2.0)
        return crawls.list_settled(connection, "c1", after=0, limit=9)

    (settled,) = await database.run(work)
    assert settled.listing.url == LISTINGS[0].url
    assert settled.outcome.state is OutcomeState.FAILED
    assert settled.outcome.reason is None
    assert settled.outcome.message == "a sentence"


@pytest.mark.parametrize(
    ("reason", "tried_again"),
    [
        (OutcomeReason.NOT_FOUND, False),
        (OutcomeReason.TOO_SMALL, False),
        (OutcomeReason.TIMEOUT, True),
        (OutcomeReason.FORBIDDEN_ADDRESS, True),
    ],
)
async def test_a_later_crawl_tries_passing_failures_again(database, reason, tried_again):
    """404 is known for good; a host that was away, or an address that may be allowed now, is asked again."""

    def work(connection):
        make_crawl(connection)
        frontier.add_listings(connection, "c1", LISTINGS[:1], now=1.0)
        leased = frontier.lease(connection, "c1", TERMS, limit=1)[0]
        settlement = Settlement(failed(reason), None, known=False)
        settling.settle(connection, [Ending("c1", leased, settlement)])
        frontier.add_listings(connection, "c1", LISTINGS[:1], now=2.0)
        assert frontier.count_unsettled(connection, "c1") == 0
        make_crawl(connection, "c2")
        frontier.add_listings(connection, "c2", LISTINGS[:1], now=3.0)
        return frontier.lease(connection, "c2", LeaseTerms("me", 200.0, 60.0), limit=1)[0]

    leased = await database.run(work)
    assert (leased.outcome is None) == tried_again


async def test_what_is_fetched_again_has_all_of_its_tries(database):
    """How often it was tried before its outcome, and until when it had to wait, is over with it."""

    def work(connection):
        make_crawl(connection)
        frontier.add_listings(connection, "c1", LISTINGS[:1], now=1.0)
        leased = frontier.lease(connection, "c1", TERMS, limit=1)[0]
        frontier.release(connection, leased.listing_id, "me", next_attempt_time=99.0, tried=True)
        fetched = Outcome(OutcomeState.FETCHED, None, "", "", "d" * 64, 9, 2.0)
        frontier.record_outcomes(connection, {leased.listing_id: fetched})
        make_crawl(connection, "c2")
        assert frontier.add_known(connection, "c2", [leased.listing_id]) == 1
        assert frontier.add_known(connection, "c2", [leased.listing_id]) == 0
        assert crawls.get_crawl(connection, "c2").found_count == 1
        return frontier.lease(connection, "c2", TERMS, limit=1)[0]

    leased = await database.run(work)
    assert leased.attempts == 0
    assert leased.outcome.digest == "d" * 64
