"""Several crawlers record into one catalogue."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest
from sqlalchemy import select, update

from services.crawler.candidate import Candidate, Fingerprint
from services.crawler.catalogue import crawls, frontier, images, judgements, kept_images, purges
from services.crawler.catalogue.accept_order import read_horizon
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.schema import candidates, listings
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.seen.duplicate_index import DuplicateIndex
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from tests.crawler.subjects import accepted, decoded_candidate, random_fingerprint

PROFILE = ProfileVersion("landscapes", 1)


def encoded(number):
    return f"bytes of image {number}".encode()


def digest_of(number):
    return hashlib.sha256(encoded(number)).hexdigest()


class Crawler:
    """A crawler's recorder with a memory of its own."""

    def __init__(self, url, folder, name):
        self.name = name
        self.database = Database(url)
        self.store = FolderStore(folder, alone=False)
        self.seen = SeenImages()
        self.recorder = Recorder(self.database, self.store, self.seen)

    async def lease(self, limit, *, now=2.0):
        terms = LeaseTerms(self.name, now, 60.0)
        return await self.database.run(lambda c: frontier.lease(c, "c1", terms, limit=limit))

    async def accept(self, leased, number, fingerprint, *, judgement=None):
        """Records what the gates of this crawler passed: an image of that number."""
        decoded = decoded_candidate(number, fingerprint=fingerprint)
        outcome = Outcome(OutcomeState.FETCHED, None, "", "", digest_of(number), 9, 3.0)
        candidate = Candidate(encoded(number), digest_of(number), decoded)
        await self.recorder.record(
            Finding("c1", PROFILE, leased, outcome, candidate, judgement or accepted(), known=False)
        )

    async def close(self):
        await self.recorder.close()
        self.database.close()


@pytest.fixture
async def crawlers(postgres, tmp_path):
    """Four crawlers on one catalogue and one store, with one crawl of 200 listings."""
    with postgres.database() as url:
        team = [Crawler(url, tmp_path, f"crawler {number}") for number in range(4)]

        def begin(connection):
            request = CrawlRequest("r", ("urls:/a",), PROFILE)
            crawls.create_crawl(connection, "c1", request, now=1.0)
            found = [Listing("urls:/a", f"http://h/{number}.jpg") for number in range(200)]
            frontier.add_listings(connection, "c1", found, now=1.0)

        await team[0].database.run(begin)
        yield team
        for crawler in team:
            await crawler.close()


async def kept_digests(crawler):
    kept = await crawler.database.run(lambda c: kept_images.list_kept(c, ""))
    return [image.digest for image in kept]


def near(fingerprint, bits):
    """The same picture, compressed again: that many of its 64 bits are others."""
    flipped = fingerprint.hash64
    for bit in random.Random(bits).sample(range(64), bits):
        flipped ^= 1 << bit
    return Fingerprint(flipped, fingerprint.hash256, flat=False)


async def test_crawlers_that_race_keep_one_of_near_identical_images(crawlers):
    """At most contention: whatever is kept, no two are near, every listing has its outcome, and all counts add up."""
    pictures = [random_fingerprint(number) for number in range(10)]

    async def work(crawler):
        dice = random.Random(crawler.name)
        leased = await crawler.lease(50)
        assert len(leased) == 50
        await asyncio.gather(
            *(
                crawler.accept(one, one.listing_id, near(dice.choice(pictures), dice.randrange(4)))
                for one in leased
            )
        )

    await asyncio.gather(*(work(crawler) for crawler in crawlers))
    kept = await kept_digests(crawlers[0])
    assert len(kept) == len(set(kept)) == 10

    def read(connection):
        columns = (candidates.c.digest, candidates.c.hash64, candidates.c.hash256)
        rows = connection.execute(select(*columns).where(candidates.c.digest.in_(kept))).all()
        crawl = crawls.get_crawl(connection, "c1")
        return rows, crawl.last_sequence, crawls.list_counts(connection, "c1")

    rows, last_sequence, counts = await crawlers[0].database.run(read)
    index = DuplicateIndex()
    for row in rows:
        fingerprint = Fingerprint(int(row.hash64, 16), row.hash256, flat=False)
        assert index.nearest(fingerprint, fingerprint) is None
        index.add(row.digest, fingerprint)
    assert last_sequence == 200
    by_verdict = {one.verdict: one.count for one in counts}
    assert by_verdict == {Verdict.ACCEPTED: 10, Verdict.DUPLICATE: 190}


async def test_what_another_accepted_is_learned_with_the_next_accept(crawlers):
    """A duplicate of it names it, and memory is as far as the catalogue."""
    first, second = crawlers[:2]
    picture = random_fingerprint(1)
    [[one], [two]] = [await crawler.lease(1) for crawler in (first, second)]
    await first.accept(one, 1, picture)
    assert second.seen.recent_count == 0
    await second.accept(two, 2, near(picture, 3))
    judged = await second.database.run(lambda c: judgements.get_judgement(c, digest_of(2), PROFILE))
    assert (judged[1].verdict, judged[1].duplicate_of) == (Verdict.DUPLICATE, digest_of(1))
    assert second.seen.recent_count == 1
    assert second.seen.horizon == await first.database.run(read_horizon)
    assert first.seen.horizon == second.seen.horizon


async def test_the_same_bytes_are_kept_once(crawlers):
    """Two crawlers fetched them from two addresses: one counts as accepted, the other as a duplicate."""
    leased = [(await crawler.lease(1))[0] for crawler in crawlers]
    await asyncio.gather(
        *(
            crawler.accept(one, 7, random_fingerprint(7))
            for crawler, one in zip(crawlers, leased, strict=True)
        )
    )
    assert await kept_digests(crawlers[0]) == [digest_of(7)]
    counts = await crawlers[0].database.run(lambda c: crawls.list_counts(c, "c1"))
    assert {one.verdict: one.count for one in counts} == {
        Verdict.ACCEPTED: 1,
        Verdict.DUPLICATE: 3,
    }


async def test_a_crawler_that_was_stopped_does_not_record_what_another_has_now(crawlers):
    """Its lease expired while it slept: the other's outcome stands, whoever comes first."""
    first, second = crawlers[:2]
    [slept] = await first.lease(1)
    [taken] = await second.lease(1, now=63.0)
    assert taken.listing_id == slept.listing_id
    await first.accept(slept, 1, random_fingerprint(1))
    assert await kept_digests(first) == []
    query = select(listings.c.lease_owner, listings.c.outcome_state)
    held = query.where(listings.c.listing_id == slept.listing_id)
    row = await first.database.run(lambda c: c.execute(held).one())
    assert tuple(row) == ("crawler 1", None)
    await second.accept(taken, 2, random_fingerprint(2))
    await first.accept(slept, 1, random_fingerprint(1))
    assert await kept_digests(first) == [digest_of(2)]
    assert (await first.database.run(lambda c: crawls.get_crawl(c, "c1"))).last_sequence == 1


async def test_a_late_crawler_whose_listing_nobody_took_records_it(crawlers):
    """An expired lease is lost only to somebody."""
    [late] = await crawlers[0].lease(1)
    await crawlers[0].accept(late, 1, random_fingerprint(1))
    assert await kept_digests(crawlers[0]) == [digest_of(1)]


async def test_an_earlier_judgement_stands(crawlers):
    """The same bytes under the same version are judged once; what the other crawler found counts for both."""
    first, second = crawlers[:2]
    [[one], [two]] = [await crawler.lease(1) for crawler in (first, second)]
    off = Judgement(Verdict.OFF_PROFILE, "too far", accepted().evidence)
    await first.accept(one, 1, random_fingerprint(1), judgement=off)
    await second.accept(two, 1, random_fingerprint(1))
    assert await kept_digests(first) == []
    counts = await first.database.run(lambda c: crawls.list_counts(c, "c1"))
    assert {one.verdict: one.count for one in counts} == {
        Verdict.OFF_PROFILE: 1,
        Verdict.DUPLICATE: 1,
    }


async def test_what_another_purged_is_not_recorded_and_leaves_no_bytes(crawlers):
    """Neither it nor a near copy comes back, though this crawler knew of neither image nor purge."""
    first, second = crawlers[:2]
    picture = random_fingerprint(1)
    [one] = await first.lease(1)
    await first.accept(one, 1, picture)

    def purge(connection):
        [image] = purges.select_images(connection, PurgeSelection(digests=(digest_of(1),)))
        purges.purge(connection, image, reason="asked for", now=4.0)
        return image

    image = await first.database.run(purge)
    first.store.remove(image.digest, image.names)
    again, copy = await second.lease(2)
    await second.accept(again, 1, picture)
    await second.accept(copy, 2, near(picture, 2))
    assert await kept_digests(first) == []
    assert not second.store.has(digest_of(1))
    outcomes = select(listings.c.outcome_state, listings.c.outcome_reason, listings.c.digest)
    row = await first.database.run(
        lambda c: c.execute(outcomes.where(listings.c.listing_id == again.listing_id)).one()
    )
    assert tuple(row) == (OutcomeState.BLOCKED.value, OutcomeReason.PURGED.value, None)
    judged = await second.database.run(lambda c: judgements.get_judgement(c, digest_of(2), PROFILE))
    assert judged[1].verdict is Verdict.DUPLICATE
    assert second.seen.is_forbidden(digest_of(1))
    known = select(candidates.c.digest).where(candidates.c.digest == digest_of(1))
    assert await second.database.run(lambda c: c.execute(known).first()) is None


async def test_what_another_marked_as_seen_is_not_accepted(crawlers):
    """From the mark on, under its profile's name."""
    first, second = crawlers[:2]
    liked = random_fingerprint(3)
    await first.database.run(lambda c: images.mark_seen(c, "landscapes", "l" * 64, liked))
    [one] = await second.lease(1)
    await second.accept(one, 1, near(liked, 1))
    assert await kept_digests(first) == []


async def test_accepts_wait_for_a_crawler_that_was_stopped_in_one_for_seconds(crawlers, postgres):
    """The server ends a transaction that does nothing; the others go on, and the woken one does it again."""
    first, second = crawlers[:2]
    [one] = await first.lease(1)
    held, may_go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    runs = []

    def stopped(connection):
        from services.crawler.catalogue.accept_order import take_accept_lock

        take_accept_lock(connection)
        connection.execute(update(listings).values(title="written by the one that was stopped"))
        runs.append(1)
        loop.call_soon_threadsafe(held.set)
        if len(runs) == 1:
            asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result()

    sleeping = asyncio.create_task(second.database.run(stopped))
    await held.wait()
    async with asyncio.timeout(15):
        await first.accept(one, 1, random_fingerprint(1))
    may_go_on.set()
    async with asyncio.timeout(15):
        await sleeping
    assert len(runs) == 2
    assert await kept_digests(first) == [digest_of(1)]
