"""A catalogue and a store that images are accepted into, sinks that remember, and what delivers."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict, deque
from dataclasses import replace

from prometheus_client import CollectorRegistry
from sqlalchemy import delete, select

from services.crawler.candidate import Candidate
from services.crawler.catalogue import (
    crawls,
    distinct_pairs,
    frontier,
    replacements,
    sink_reports,
)
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.replacements import Replacement
from services.crawler.catalogue.schema import judgements, outbox
from services.crawler.judgement import ProfileVersion
from services.crawler.keyed_lock import KeyedLock
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.seen.seen_images import SeenImages
from services.crawler.sinks.delivering import Delivering
from services.crawler.sinks.delivery_limits import DeliveryLimits
from services.crawler.sinks.sink import DeliveryFailed, FailureKind
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.purging import PurgeLocks, PurgeRequest, Purging
from services.crawler.store.recorder import Recorder
from tests.crawler.subjects import accepted, decoded_candidate

PROFILE = ProfileVersion("landscapes", 1)
LIMITS = DeliveryLimits(
    first_s=0.02,
    rejected_first_s=0.02,
    last_s=0.1,
    rejections=3,
    poll_s=0.02,
    count_every_s=0.0,
    log_every_s=60.0,
)


class MemorySink:
    """Remembers what it was given.

    Attributes:
        got: (event, digest), in order.
        bytes: What it was given of images, by digest.
        replaced_by: The better copies of images that it was told are not kept any more, by digest.
        notes: What it is reminded of having said of them, by digest.
        faults: What is raised at the next calls, before or after it has remembered them.
        faults_of: The same for one digest.
        busiest: How many calls were under way at once, at most.
        open: Cleared, it keeps who calls waiting.
    """

    def __init__(self, name="memory", *, concurrency=1, max_bytes=1_000):
        self.name, self.kind = name, "memory"
        self.concurrency, self.max_bytes = concurrency, max_bytes
        self.got = []
        self.bytes = {}
        self.replaced_by = {}
        self.notes = {}
        self.faults = deque()
        self.faults_of = defaultdict(deque)
        self.busiest = self._active = 0
        self.open = asyncio.Event()
        self.open.set()

    async def deliver(self, delivery):
        self.bytes[delivery.image.digest] = delivery.encoded
        return await self._take("accepted", delivery.image.digest)

    async def remove(self, removal):
        self.replaced_by[removal.digest] = removal.replaced_by
        self.notes[removal.digest] = removal.note
        return await self._take("replaced" if removal.replaced_by else "purged", removal.digest)

    @property
    def waiting(self):
        """How many callers it keeps."""
        return self._active

    def digests(self, event="accepted"):
        return [digest for one, digest in self.got if one == event]

    async def _take(self, event, digest):
        self._active += 1
        self.busiest = max(self.busiest, self._active)
        try:
            await asyncio.sleep(0)
            await self.open.wait()
            faults = self.faults_of[digest] or self.faults
            if faults:
                raise faults.popleft()
            self.got.append((event, digest))
            return f"got {len(self.got)}"
        finally:
            self._active -= 1


def failure(kind, message="no"):
    return DeliveryFailed(FailureKind[kind], message)


class World:
    """Real catalogue, store, recorder and purging."""

    def __init__(self, folder, place):
        self.database = Database(place)
        self.store, seen = FolderStore(folder), SeenImages()
        self.recorder = Recorder(self.database, self.store, seen)
        self.purging = Purging(
            self.database, self.store, seen, None, PurgeLocks(KeyedLock(), self.recorder.files)
        )
        self.started = []
        self._leased = None

    async def start(self, *sinks, alone=True, limits=LIMITS):
        """One crawler's deliveries begin."""
        delivering = Delivering(self.database, self.store, sinks, CollectorRegistry(), limits)
        await delivering.start(alone=alone)
        self.started.append(delivering)
        return delivering

    async def stop(self, delivering):
        self.started.remove(delivering)
        await delivering.close()

    async def accept(self, *numbers):
        """Accepts images; returns their digests."""
        if self._leased is None:
            self._leased = await self.database.run(_lease)
        return [await self._accept(number) for number in numbers]

    async def replace(self, digest, by):
        """A better copy, which is accepted, takes the place of an image."""
        replacement = Replacement(by, PROFILE.name, (digest,), "larger")
        await self.database.run(lambda c: replacements.replace(c, replacement, now=9.0))
        await self.recorder.remove_replaced()

    async def keep_again(self, digest, number):
        """A person's word: a replaced image is judged again, and kept."""

        def release(connection):
            by = replacements.get_files(connection, digest).replaced_by
            distinct_pairs.add_pair(connection, digest, by, now=9.0)
            connection.execute(delete(judgements).where(judgements.c.digest == digest))

        await self.database.run(release)
        assert await self.accept(number) == [digest]

    async def purge(self, digest):
        request = PurgeRequest(PurgeSelection(digests=(digest,)))
        assert len([one async for one in self.purging.purge(request)]) == 1

    async def report(self, name="memory"):
        found = await self.database.run(sink_reports.list_sinks)
        return next(report for report in found if report.name == name)

    async def counts(self, name="memory"):
        """Pending, delivered, refused."""
        report = await self.report(name)
        return report.pending_count, report.delivered_count, report.refused_count

    async def rows(self, *columns):
        query = select(*(outbox.c[name] for name in columns)).order_by(outbox.c.delivery_id)
        return await self.database.run(lambda c: [tuple(row) for row in c.execute(query)])

    async def until(self, condition):
        """Waits until an awaitable condition holds."""
        async with asyncio.timeout(20):
            while not await condition():
                await asyncio.sleep(0.005)

    async def settled(self, name="memory"):
        """Waits until nothing is pending."""

        async def is_settled():
            return (await self.counts(name))[0] == 0

        await self.until(is_settled)

    async def close(self):
        for delivering in list(self.started):
            await self.stop(delivering)
        await self.recorder.close()
        self.database.close()

    async def _accept(self, number):
        encoded = f"bytes of image {number}".encode()
        digest = hashlib.sha256(encoded).hexdigest()
        outcome = Outcome(OutcomeState.FETCHED, None, "", "file:///x", digest, len(encoded), 3.0)
        candidate = Candidate(encoded, digest, decoded_candidate(number))
        # As nobody leased it: it may be accepted again.
        leased = replace(self._leased[number], owner="")
        await self.recorder.record(
            Finding("c1", PROFILE, leased, outcome, candidate, accepted(), known=False)
        )
        return digest


def _lease(connection):
    request = CrawlRequest("r1", ("folder:/a",), PROFILE)
    crawls.create_crawl(connection, "c1", request, now=1.0)
    found = [Listing("folder:/a", f"file:///a/{n}.jpg", f"No {n}") for n in range(20)]
    frontier.add_listings(connection, "c1", found, now=1.0)
    return frontier.lease(connection, "c1", LeaseTerms("me", 2.0, 60.0), limit=99)
