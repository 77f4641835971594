from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from services.crawler.catalogue import crawls, frontier, images, judgements
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.images import Keep, StoredImage
from services.crawler.catalogue.judgements import Learned
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.judgement import Evidence, ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.store.file_state import FileState, file_states
from services.crawler.store.folder_store import FolderStore
from tests.crawler.store.stores import put_bytes
from tests.crawler.subjects import decoded_candidate

PROFILE = ProfileVersion("p", 1)


def kept(digest, file_name, *, linked=True):
    listing = Listing("folder:/a", "file:///a/1.jpg")
    return KeptImage(1, digest, PROFILE, file_name, listing, "", 7, 1.0, linked, None)


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "catalog.sqlite")
    yield database
    database.close()


def record(connection, names):
    """Writes under which readable names images are kept, by digest."""
    request = CrawlRequest("r", ("folder:/a",), PROFILE)
    crawls.create_crawl(connection, "c", request, now=1.0)
    frontier.add_listings(connection, "c", [Listing("folder:/a", "file:///a/1.jpg")], now=1.0)
    [leased] = frontier.lease(connection, "c", LeaseTerms("me", 2.0, 60.0), limit=1)
    for digest, name in names.items():
        outcome = Outcome(OutcomeState.FETCHED, None, "", "", digest, 9, 3.0)
        learned = Learned(digest, decoded_candidate(1), 9, Evidence())
        judgements.record_candidates(connection, [learned])
        images.record_images(connection, [StoredImage(digest, leased.listing_id, outcome)], now=3.0)
        images.keep(connection, [Keep(digest, PROFILE, leased.listing_id, name, 3.0)])


async def test_what_became_of_files(tmp_path, database):
    """There, removed by hand, not named yet, and lost: that even if the readable name is there; or kept no more."""
    store = FolderStore(tmp_path)
    digests = [put_bytes(store, f"picture {number}".encode()) for number in range(7)]
    for number, digest in enumerate(digests):
        store.link(digest, ("p", f"{number}.jpg"))
    for number in (1, 2, 5, 6):
        (tmp_path / "kept" / "p" / f"{number}.jpg").unlink()
    for digest in digests[3:5]:
        store.path(digest).unlink()
    names = {digests[number]: f"{number}.jpg" for number in (1, 3)}
    await database.run(lambda c: record(c, {**names, digests[6]: "its name since.jpg"}))
    listed = [
        kept(digest, f"{number}.jpg", linked=number != 2) for number, digest in enumerate(digests)
    ]
    with capture_logs() as logs:
        states = await file_states(database, store, listed)
    assert states == [
        *(FileState.PRESENT, FileState.REMOVED, FileState.PRESENT, FileState.LOST),
        # They were replaced or purged since they were read: one that is gone, one whose name went first, and one that
        # is kept again.
        *(None, None, None),
    ]
    assert [(one["event"], one["log_level"], one["count"]) for one in logs] == [
        ("blobs_lost", "warning", 1)
    ]
    assert logs[0]["digests"] == [digests[3]]


async def test_nothing_is_said_when_nothing_is_lost(tmp_path, database):
    """A removed name is a person's word: no warning."""
    store = FolderStore(tmp_path)
    with capture_logs() as logs:
        listed = [kept(put_bytes(store, b"picture"), "a.jpg")]
        await database.run(lambda c: record(c, {listed[0].digest: "a.jpg"}))
        assert await file_states(database, store, listed) == [FileState.REMOVED]
    assert logs == []
