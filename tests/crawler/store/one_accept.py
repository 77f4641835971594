"""A process that accepts one image, for whoever watches what it asks of the system: `python -m … FOLDER`."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from services.crawler.candidate import Candidate
from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.crawler.store.store_wait import StoreWait
from tests.crawler.subjects import accepted, decoded_candidate

PROFILE = ProfileVersion("landscapes", 1)


class OneAccept:
    """An image that passed all gates, a catalogue and a store."""

    def __init__(self, catalogue: Path, data: Path, encoded: bytes) -> None:
        self.encoded = encoded
        self.digest = hashlib.sha256(encoded).hexdigest()
        self.database = Database(catalogue / "catalog.sqlite")
        self.store = FolderStore(data)
        wait = StoreWait(first_s=0.02, last_s=0.05)
        self.recorder = Recorder(self.database, self.store, SeenImages(), wait)

    async def accept(self) -> None:
        """Lists it, leases it and records that it is accepted."""

        def begin(connection):
            request = CrawlRequest("r1", ("folder:/a",), PROFILE)
            crawls.create_crawl(connection, "c1", request, now=1.0)
            frontier.add_listings(
                connection, "c1", [Listing("folder:/a", "file:///a/1.jpg", "One")], now=1.0
            )
            return frontier.lease(connection, "c1", LeaseTerms("me", 2.0, 60.0), limit=1)

        [leased] = await self.database.run(begin)
        outcome = Outcome(
            OutcomeState.FETCHED, None, "", leased.listing.url, self.digest, len(self.encoded), 3.0
        )
        candidate = Candidate(self.encoded, self.digest, decoded_candidate(0))
        await self.recorder.record(
            Finding("c1", PROFILE, leased, outcome, candidate, accepted(), known=False)
        )

    async def close(self) -> None:
        await self.recorder.close()
        self.database.close()


async def _main(folder: Path) -> None:
    one = OneAccept(folder, folder, b"picture")
    # Whatever comes before is no part of the accept.
    (folder / "begin").touch()
    await one.accept()
    await one.close()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
