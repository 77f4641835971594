from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import select

from services.crawler.candidate import Candidate
from services.crawler.catalogue import crawls, frontier, kept_images, purges
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.digest_prefixes import AmbiguousDigest
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.schema import metadata
from services.crawler.compliance import Compliance
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.keyed_lock import KeyedLock
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed, OutcomeReason, OutcomeState
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.purging import PurgeLocks, PurgeRequest, Purging
from services.crawler.store.recorder import Recorder
from services.servicekit.errors import InvalidInput, NotFound
from tests.crawler.store.stores import put_bytes
from tests.crawler.subjects import decoded_candidate, embedding

PROFILE = ProfileVersion("landscapes", 1)
SECRETS = ("Ada", "A title", "http://page.example/7")
RULES = Compliance("L", 1.0, "1.2.3.4", "http://a/robots.txt", 404, 1.0, 0.0, (), "", "", "")


class FakeFetcher:
    """Answers `ask_again` by a table of failures."""

    def __init__(self):
        self.failures = {}
        self.asked = []

    async def ask_again(self, url):
        self.asked.append(url)
        if url in self.failures:
            raise FetchFailed(self.failures[url], "the host says no")


class World:
    """A store with kept images, and what purges them."""

    def __init__(self, folder, place):
        self.folder = folder
        self.database = Database(place)
        self.store, self.seen = FolderStore(folder), SeenImages()
        self.recorder = Recorder(self.database, self.store, self.seen)
        self.fetcher = FakeFetcher()
        locks = PurgeLocks(KeyedLock(), self.recorder.files)
        self.purging = Purging(self.database, self.store, self.seen, self.fetcher, locks)

    async def keep(self, *listings):
        """Keeps one image for each listing; returns their digests."""
        request = CrawlRequest("r", ("urls:/a",), PROFILE)
        digests = []

        def add(connection):
            crawls.create_crawl(connection, "c1", request, now=1.0)
            frontier.add_listings(connection, "c1", listings, now=1.0)
            terms = LeaseTerms("me", 1.0, 60.0)
            return frontier.lease(connection, "c1", terms, limit=100)

        for number, leased in enumerate(await self.database.run(add)):
            encoded = f"picture {number}".encode()
            digest = put_bytes(self.store, encoded)
            outcome = Outcome(
                OutcomeState.FETCHED, None, "", leased.listing.url, digest, 9, 1.0, compliance=RULES
            )
            found = Evidence(embedding=embedding(number))
            await self.recorder.record(
                Finding(
                    "c1",
                    PROFILE,
                    leased,
                    outcome,
                    Candidate(encoded, digest, decoded_candidate(number)),
                    Judgement(Verdict.ACCEPTED, "", found),
                    known=False,
                )
            )
            digests.append(digest)
        return digests

    async def purge(self, request):
        return [(image.digest, why) async for image, why in self.purging.purge(request)]

    async def kept(self):
        return [
            image.digest
            for image in await self.database.run(lambda c: kept_images.list_kept(c, ""))
        ]

    def files(self):
        folders = (self.folder / "blobs", self.folder / "kept")
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def world(tmp_path, place):
    world = World(tmp_path, place)
    yield world
    world.database.close()


def listing(number, **facts):
    return Listing("urls:/a", f"http://h{number}.example/{number}.jpg", **facts)


async def test_nothing_of_it_is_left_but_hash_and_address(world):
    """Bytes, sidecar, name, embedding, title, author and page are gone; the digest is known and refused."""
    told = listing(0, title=SECRETS[1], author=SECRETS[0], page_url=SECRETS[2])
    first, second = await world.keep(told, listing(1))
    done = await world.purge(PurgeRequest(PurgeSelection(digests=(first,)), reason="a letter"))
    assert done == [(first, "a letter")]
    assert await world.kept() == [second]
    assert world.seen.is_forbidden(first)
    assert not world.seen.is_forbidden(second)
    assert len(world.files()) == 3
    assert all(first not in path.name for path in world.files())

    def rest(connection):
        return {
            table.name: [list(row) for row in connection.execute(select(table))]
            for table in metadata.sorted_tables
        }

    tables = await world.database.run(rest)
    text = json.dumps(tables, default=str)
    assert all(secret not in text for secret in SECRETS)
    assert len(tables["candidates"]) == len(tables["judgements"]) == len(tables["images"]) == 1
    (left,) = tables["purged_images"]
    assert left[1] == first
    assert "http://h0.example/0.jpg" in text


async def test_a_purged_address_is_never_asked_again(world):
    """Its listing has an outcome that a later crawl takes as it is."""
    (digest,) = await world.keep(listing(0))
    await world.purge(PurgeRequest(PurgeSelection(digests=(digest,))))
    request = CrawlRequest("r2", ("urls:/a",), PROFILE)

    def again(connection):
        crawls.create_crawl(connection, "c2", request, now=2.0)
        frontier.add_listings(connection, "c2", [listing(0)], now=2.0)
        return frontier.lease(connection, "c2", LeaseTerms("me", 2.0, 60.0), limit=9)

    (leased,) = await world.database.run(again)
    assert leased.outcome.state is OutcomeState.BLOCKED
    assert leased.outcome.reason is OutcomeReason.PURGED


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (PurgeSelection(url="http://h1.example/1.jpg"), [1]),
        (PurgeSelection(url="http://page.example/7"), [2]),
        (PurgeSelection(host="h0.example"), [0]),
        (PurgeSelection(author="Ada"), [1, 2]),
        (PurgeSelection(author="Ada", host="h2.example"), [2]),
        (PurgeSelection(source="urls:/a"), [0, 1, 2]),
        (PurgeSelection(source="urls:/b"), []),
        (PurgeSelection(digests=("0" * 64,)), []),
    ],
)
async def test_what_a_selection_names(world, selection, numbers):
    """An image must match everything that is set; a dry run names it and removes nothing."""
    digests = await world.keep(
        listing(0), listing(1, author="Ada"), listing(2, author="Ada", page_url=SECRETS[2])
    )
    found = await world.purge(PurgeRequest(selection, dry_run=True))
    assert [digest for digest, _ in found] == [digests[number] for number in numbers]
    assert await world.kept() == digests
    assert len(world.files()) == 9


async def test_only_what_is_gone(world):
    """404 and opt-outs purge; an error proves nothing; local files are never asked for."""
    digests = await world.keep(
        listing(0), listing(1), listing(2), listing(3), Listing("folder:/a", "file:///a/4.jpg")
    )
    world.fetcher.failures = {
        "http://h0.example/0.jpg": OutcomeReason.NOT_FOUND,
        "http://h1.example/1.jpg": OutcomeReason.OPTED_OUT,
        "http://h2.example/2.jpg": OutcomeReason.SERVER_ERROR,
    }
    done = await world.purge(PurgeRequest(PurgeSelection(), gone=True))
    assert done == [(digest, "the host says no") for digest in digests[:2]]
    assert await world.kept() == digests[2:]
    assert len(world.fetcher.asked) == 4


async def test_nothing_named_is_everything_and_refused(world):
    """An empty selection is an error, not a purge of all."""
    await world.keep(listing(0))
    with pytest.raises(InvalidInput):
        await world.purge(PurgeRequest(PurgeSelection()))
    assert len(await world.kept()) == 1


async def test_a_crash_between_catalogue_and_files(world, monkeypatch):
    """The next start removes what is left."""
    (digest,) = await world.keep(listing(0))

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "remove", crash)
        with pytest.raises(KeyboardInterrupt):
            await world.purge(PurgeRequest(PurgeSelection(digests=(digest,))))
    assert await world.kept() == []
    assert len(world.files()) == 3
    await world.purging.finish()
    assert world.files() == []
    assert await world.database.run(purges.list_pending) == []


async def test_files_that_somebody_makes_are_purged_afterwards(world, monkeypatch):
    """Whoever makes a name, or removes files, of the same image ends first; the catalogue forgets it at once."""
    (digest,) = await world.keep(listing(0))
    removed = []
    monkeypatch.setattr(world.store, "remove", lambda *given: removed.append(given))
    async with world.recorder.files.hold(digest):
        selection = PurgeSelection(digests=(digest,))
        purging = asyncio.create_task(world.purge(PurgeRequest(selection)))
        while not purging.done() and await world.kept():
            await asyncio.sleep(0)
        await world.database.run(lambda _: None)
        await asyncio.to_thread(lambda: None)
        assert removed == []
        assert [one for one, _ in await world.database.run(purges.list_pending)] == [digest]
    await purging
    assert [one for one, _ in removed] == [digest]
    assert await world.database.run(purges.list_pending) == []


async def test_the_first_digits_of_a_digest_name_an_image(world):
    """Of several, of none, and of one that was purged: then nothing is left to purge."""
    first, second = await world.keep(listing(0), listing(1))
    assert first[0] != second[0]
    named = PurgeRequest(PurgeSelection(digests=(first[:8], second)), dry_run=True)
    assert sorted(digest for digest, _ in await world.purge(named)) == sorted((first, second))
    with pytest.raises(NotFound, match="there is no kept image '00000000'"):
        await world.purge(PurgeRequest(PurgeSelection(digests=("0" * 8,))))
    with pytest.raises(AmbiguousDigest, match="more than one image's digest begins with"):
        await world.purge(PurgeRequest(PurgeSelection(digests=("",))))
    once = PurgeRequest(PurgeSelection(digests=(first[:8],)))
    assert [digest for digest, _ in await world.purge(once)] == [first]
    assert await world.purge(once) == []
    assert await world.kept() == [second]


async def test_a_purge_that_was_interrupted_goes_on_when_it_is_asked_for_again(world, monkeypatch):
    """However it is named; a dry run says so, and what asks for what is gone leaves it."""
    digest, _ = await world.keep(listing(0), listing(1))

    def away(*_):
        raise StoreAway("/data", "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "remove", away)
        with pytest.raises(StoreAway):
            await world.purge(PurgeRequest(PurgeSelection(digests=(digest,)), reason="a letter"))
    assert len(world.files()) == 6
    for selection in (PurgeSelection(digests=(digest[:8],)), PurgeSelection(host="h0.example")):
        looked = await world.purge(PurgeRequest(selection, dry_run=True))
        assert looked == [(digest, "a letter")]
        assert await world.purge(PurgeRequest(selection, gone=True)) == []
    assert len(world.files()) == 6
    again = PurgeRequest(PurgeSelection(digests=(digest[:8],)), reason="another letter")
    assert await world.purge(again) == [(digest, "a letter")]
    assert len(world.files()) == 3
    assert await world.purge(again) == []
    assert await world.database.run(purges.list_pending) == []


async def test_purged_images_are_known_at_the_next_start(world):
    """Digest and fingerprint come back out of the catalogue."""
    (digest,) = await world.keep(listing(0))
    await world.purge(PurgeRequest(PurgeSelection(digests=(digest,))))
    ((known, fingerprint),) = await world.database.run(lambda c: list(purges.iterate_purged(c)))
    assert known == digest
    assert fingerprint == decoded_candidate(0).fingerprint
