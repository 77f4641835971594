"""Recorders over one catalogue and store, and copies of pictures in several sizes."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from dataclasses import replace

from sqlalchemy import URL

from services.crawler.candidate import Candidate, Fingerprint
from services.crawler.catalogue import crawls, frontier, judgements, kept_images
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.config import CrawlerSettings
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.crawler.verifying.opening import CheckedPlaces
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.crawler.subjects import accepted, decoded_candidate, detection, random_fingerprint

PROFILE = ProfileVersion("landscapes", 1)
HEIGHT_PX = 1_000


def encoded(number):
    return f"bytes of image {number}".encode()


def digest_of(number):
    return hashlib.sha256(encoded(number)).hexdigest()


def near(fingerprint, bits, flip=0):
    """The same picture: the lowest bits of 64 are others, and so many of the highest."""
    changed = (2**bits - 1) ^ ((2**flip - 1) << (64 - flip))
    return Fingerprint(fingerprint.hash64 ^ changed, fingerprint.hash256, flat=False)


class Copies:
    """One crawler's recorder with a memory of its own, over a crawl of 200 listings."""

    def __init__(self, folder, place, *, alone=True):
        self.folder, self.place = folder, place
        self.database = Database(place)
        self.store = FolderStore(folder, alone=alone)
        self.seen = SeenImages()
        self.recorder = Recorder(self.database, self.store, self.seen)

    async def begin(self, crawl_id="c1", profile=PROFILE):
        """Makes a crawl of them."""

        def work(connection):
            request = CrawlRequest(f"r-{crawl_id}", ("urls:/a",), profile)
            crawls.create_crawl(connection, crawl_id, request, now=1.0)
            found = [Listing("urls:/a", f"http://h/{number}.jpg") for number in range(200)]
            frontier.add_listings(connection, crawl_id, found, now=1.0)

        await self.database.run(work)

    async def lease(self, limit, crawl_id="c1"):
        """Leases some."""
        terms = LeaseTerms("me", 2.0, 60.0)
        return await self.database.run(lambda c: frontier.lease(c, crawl_id, terms, limit=limit))

    async def accept(self, leased, number, size=1, **changes):
        """Records a copy that the gates passed."""
        await self.recorder.record(self.finding(leased, number, size, **changes))

    def finding(self, leased, number, size=1, *, bits=0, flip=0, picture=1, **changes):
        """A copy that the gates passed: so many times 1000x1000 pixels, all of them with detail."""
        width_px = size * 1_000
        fingerprint = near(random_fingerprint(picture), bits, flip)
        decoded = replace(decoded_candidate(number, fingerprint=fingerprint), width_px=width_px)
        outcome = Outcome(
            OutcomeState.FETCHED, None, "", "", digest_of(number), len(encoded(number)), 3.0
        )
        fields = {
            "crawl_id": "c1",
            "profile": PROFILE,
            "probability": 0.1,
            "detail": True,
        } | changes
        judgement = accepted()
        evidence = replace(
            judgement.evidence,
            detection=detection(fields["probability"]),
            detail_px=width_px * HEIGHT_PX if fields["detail"] else 0,
        )
        return Finding(
            fields["crawl_id"],
            fields["profile"],
            # As nobody leased it: it may be accepted again.
            replace(leased, owner=""),
            outcome,
            Candidate(encoded(number), digest_of(number), decoded),
            replace(judgement, evidence=evidence),
            known=False,
        )

    async def kept(self):
        """The digests that are kept, in their order."""
        images = await self.database.run(lambda c: kept_images.list_kept(c, ""))
        return [image.digest for image in images]

    async def judgement(self, number, profile=PROFILE):
        """What stands of an image."""
        found = await self.database.run(
            lambda c: judgements.get_judgement(c, digest_of(number), profile)
        )
        return found[1]

    async def counts(self, crawl_id="c1"):
        """How a crawl counts its listings, by verdict."""
        found = await self.database.run(lambda c: crawls.list_counts(c, crawl_id))
        return {one.verdict: one.count for one in found}

    def problems(self, *, grace_s=0.0):
        """What a check finds wrong."""
        chosen = {}
        if isinstance(self.place, URL):
            address = self.place.set(drivername="postgresql")
            chosen["catalogue"] = address.render_as_string(hide_password=False)
        places = CheckedPlaces(CrawlerSettings(data=self.folder, **chosen))
        with closing(places.open_catalogue()) as catalogue:
            terms = CheckTerms(time.time(), grace_s)
            files = places.open_files(catalogue)
            check = Verification(catalogue, files, terms, threads=2)
            return [(one.kind.value, one.message) for one in check.check(lambda _: None)]

    def names(self):
        """The readable names that are there."""
        folder = self.folder / "kept" / PROFILE.name
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    async def close(self):
        """Ends it."""
        await self.recorder.close()
        self.database.close()
