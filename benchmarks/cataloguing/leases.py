"""Leases as a crawl takes them: it never holds more than its workers and its queue do, and ends what it holds."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial

from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, LeaseTerms, Outcome
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.crawl.crawl_run import RunLimits
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.store.recorder import Recorder

_CRAWL = "leases"
_SOURCE = "urls:/leases.txt"
_ADDED = 1_000
_LIMITS = RunLimits()
_HELD = _LIMITS.max_held + _LIMITS.workers


async def lease_rate(
    database: Database, recorder: Recorder, profile: ProfileVersion, *, count: int, limit: int
) -> float:
    """Leases all listings of a new crawl. Returns how many in a second of leasing: what ends them is not counted.

    Args:
        database: The catalogue.
        recorder: Ends what is held longest, once a crawl would hold no more.
        profile: Any.
        count: Listings, all of them to do when the first is leased.
        limit: Of one lease.
    """
    await _make_crawl(database, profile, count)
    terms = LeaseTerms("benchmark", time.time(), 3_600.0)
    held: deque[LeasedListing] = deque()
    took_s = 0.0
    while True:
        began = time.perf_counter()
        taken = await database.run(lambda c: frontier.lease(c, _CRAWL, terms, limit=limit))
        took_s += time.perf_counter() - began
        if not taken:
            return count / took_s
        held.extend(taken)
        over = [held.popleft() for _ in range(len(held) - _HELD)]
        await asyncio.gather(*(recorder.settle(_failed(one)) for one in over))


async def _make_crawl(database: Database, profile: ProfileVersion, count: int) -> None:
    request = CrawlRequest("leases", (_SOURCE,), profile)
    await database.run(lambda c: crawls.create_crawl(c, _CRAWL, request, now=time.time()))
    for start in range(0, count, _ADDED):
        numbers = range(start, min(start + _ADDED, count))
        found = [Listing(_SOURCE, f"http://l.example/{n}.jpg", f"No {n}") for n in numbers]
        add = partial(frontier.add_listings, crawl_id=_CRAWL, found=found, now=time.time())
        await database.run(add)


def _failed(leased: LeasedListing) -> Ending:
    outcome = Outcome(
        OutcomeState.FAILED, OutcomeReason.NOT_FOUND, "made up", "", "", 0, time.time()
    )
    return Ending(_CRAWL, leased, Settlement(outcome, None, known=False))
