from __future__ import annotations

import asyncio
import errno
import json
import math
import os
from dataclasses import replace

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from services.crawler.candidate import Candidate
from services.crawler.catalogue import (
    crawls,
    frontier,
    images,
    judgements,
    kept_images,
    purges,
    score_counts,
)
from services.crawler.catalogue.accept_order import read_news
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.schema import kept_images as table
from services.crawler.catalogue.schema import listings
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.score_distribution import ScoreBins
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.crawler.store.store_wait import StoreWait
from tests.crawler.subjects import (
    accepted,
    decoded_candidate,
    embedding,
    random_fingerprint,
    score,
)
from tests.postgres.cutting_proxy import Cut, CuttingProxy

PROFILE = ProfileVersion("landscapes", 1)
BINS = ScoreBins((0.0, 20.0))
ENCODED = [f"bytes of image {n}".encode() for n in range(20)]


def no_room(_handle):
    raise OSError(errno.ENOSPC, "No space left on device")


class World:
    """A recorder over a real catalogue and store, with one crawl of twenty listings."""

    def __init__(self, folder, place):
        self.folder = folder
        self.database = Database(place)
        self.store = FolderStore(folder)
        self.seen = SeenImages()
        wait = StoreWait(first_s=0.01, last_s=0.02)
        self.recorder = Recorder(self.database, self.store, self.seen, wait)
        self.leased = []

    async def begin(self, crawl_id="c1", profile=PROFILE):
        def work(connection):
            request = CrawlRequest(f"r-{crawl_id}", ("folder:/a",), profile)
            crawls.create_crawl(connection, crawl_id, request, now=1.0)
            found = [Listing("folder:/a", f"file:///a/{n}.jpg", f"No {n}") for n in range(20)]
            frontier.add_listings(connection, crawl_id, found, now=1.0)
            return frontier.lease(connection, crawl_id, LeaseTerms("me", 2.0, 60.0), limit=99)

        self.leased = await self.database.run(work)

    def finding(self, number, *, judgement=None, decoded=None, **other):
        digest = self.digest(number)
        decoded = decoded or decoded_candidate(number)
        outcome = Outcome(OutcomeState.FETCHED, None, "", "file:///x", digest, 9, 3.0)
        candidate = Candidate(ENCODED[number], digest, decoded)
        fields = {"crawl_id": "c1", "profile": PROFILE, "known": False} | other
        return Finding(
            leased=self.leased[number],
            outcome=outcome,
            candidate=candidate,
            judgement=judgement or accepted(),
            **fields,
        )

    def digest(self, number):
        import hashlib

        return hashlib.sha256(ENCODED[number]).hexdigest()

    async def judgement(self, number, profile=PROFILE):
        found = await self.database.run(
            lambda c: judgements.get_judgement(c, self.digest(number), profile)
        )
        return found[1]

    async def outcome(self, number):
        query = select(listings.c.outcome_state).where(
            listings.c.listing_id == self.leased[number].listing_id
        )
        return await self.database.run(lambda c: c.execute(query).scalar_one())

    async def kept(self, name=""):
        return await self.database.run(lambda c: kept_images.list_kept(c, name))


@pytest.fixture
async def world(tmp_path, place):
    world = World(tmp_path, place)
    await world.begin()
    yield world
    await world.recorder.close()
    world.database.close()


async def test_an_accepted_image_is_stored_once(world):
    """Bytes, sidecar, row, readable name and outcome are all there and agree."""
    await world.recorder.record(world.finding(0))
    digest = world.digest(0)
    [kept] = await world.kept()
    assert kept.digest == digest
    assert world.store.path(digest).read_bytes() == ENCODED[0]
    sidecar = json.loads(world.store.path(digest).with_suffix(".json").read_text())
    judged = sidecar["judgements"]["landscapes@1"]
    assert sidecar["listing"]["title"] == "No 0"
    assert judged["log_likelihood"] == score().log_likelihood
    assert judged["watermark_threshold"] == 0.5
    assert judged["crawl_id"] == "c1"
    name = world.folder / "kept" / "landscapes" / kept.file_name
    assert name.samefile(world.store.path(digest))
    settled = await world.database.run(lambda c: crawls.list_settled(c, "c1", after=0, limit=9))
    assert [one.outcome.digest for one in settled] == [digest]
    assert await world.database.run(images.list_unlinked) == []


async def test_a_rejected_image_leaves_its_judgement_and_no_bytes(world):
    """Scores and embedding are recorded, the store is not touched."""
    judgement = Judgement(
        Verdict.OFF_PROFILE, "too far", Evidence(accepted().evidence.embedding, score(-1.0))
    )
    await world.recorder.record(world.finding(1, judgement=judgement))
    assert not world.store.has(world.digest(1))
    assert (await world.judgement(1)).evidence.score == score(-1.0)
    recorded = await world.database.run(
        lambda c: judgements.get_candidate(c, world.digest(1), encoder_id="e" * 64, detector_id="")
    )
    assert recorded[1].embedding.values.tobytes() == judgement.evidence.embedding.values.tobytes()
    other = await world.database.run(
        lambda c: judgements.get_candidate(c, world.digest(1), encoder_id="f" * 64, detector_id="")
    )
    assert other[1].embedding is None


async def test_racing_near_duplicates_keep_one(world):
    """Of many near-identical images that pass every gate at once, the first accept wins."""
    fingerprint = random_fingerprint(5)
    findings = [
        world.finding(n, decoded=decoded_candidate(n, fingerprint=fingerprint)) for n in range(20)
    ]
    await asyncio.gather(*(world.recorder.record(finding) for finding in findings))
    [kept] = await world.kept()
    verdicts = [await world.judgement(n) for n in range(20)]
    duplicates = [one for one in verdicts if one.verdict is Verdict.DUPLICATE]
    assert len(duplicates) == 19
    assert {one.duplicate_of for one in duplicates} == {kept.digest}


async def test_recording_twice_changes_nothing(world):
    """A listing that is processed again after a crash ends as it did."""
    await world.recorder.record(world.finding(0))
    await world.recorder.record(world.finding(0))
    assert len(await world.kept()) == 1
    assert len(list((world.folder / "kept" / "landscapes").iterdir())) == 1
    assert (await world.judgement(0)).verdict is Verdict.ACCEPTED


async def test_two_profiles_share_the_bytes(world):
    """A second taste keeps the same image under its own name; the blob is there once."""
    await world.recorder.record(world.finding(0))
    sunsets = ProfileVersion("sunsets", 1)
    await world.begin("c2", sunsets)
    await world.recorder.record(world.finding(0, crawl_id="c2", profile=sunsets, known=True))
    kept = await world.kept()
    assert {str(image.profile) for image in kept} == {"landscapes@1", "sunsets@1"}
    assert world.store.path(world.digest(0)).stat().st_nlink == 3
    assert [image.profile.name for image in await world.kept("sunsets")] == ["sunsets"]


async def test_each_profile_has_its_own_acceptance(world):
    """The same bytes, found elsewhere by a second taste: source, title and time are those of its own acceptance."""
    await world.recorder.record(world.finding(0))
    sunsets = ProfileVersion("sunsets", 1)
    await world.database.run(frontier.release_all)
    await world.begin("c2", sunsets)
    elsewhere = replace(world.finding(0, crawl_id="c2", profile=sunsets), leased=world.leased[7])
    await world.recorder.record(elsewhere)
    first, second = await world.kept()
    assert (first.listing.title, second.listing.title) == ("No 0", "No 7")
    assert first.accept_time < second.accept_time
    assert first.digest == second.digest


async def test_a_cancelled_accept_is_carried_through(world):
    """Pausing a crawl in the middle of an accept leaves no bytes without a row."""
    task = asyncio.create_task(world.recorder.record(world.finding(0)))
    while not world.recorder._under_way:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await world.recorder.close()
    assert len(await world.kept()) == 1


async def test_missing_links_are_made(world):
    """A crash between row and readable name is mended at the next start."""
    await world.recorder.record(world.finding(0))
    [kept] = await world.kept()
    name = world.folder / "kept" / "landscapes" / kept.file_name
    name.unlink()
    await world.recorder.make_missing_links()
    assert not name.exists(), "a person's deletion is respected"

    def forget(connection):
        connection.execute(update(table).values(linked=False))

    await world.database.run(forget)
    await world.recorder.make_missing_links()
    assert name.exists()


async def test_of_many_accepts_at_once_every_link_is_recorded(world):
    """A link is written with the next accept's row, and the last ones by themselves."""
    findings = [world.finding(number) for number in range(len(world.leased))]
    await asyncio.gather(*(world.recorder.record(finding) for finding in findings))
    assert await world.database.run(images.list_unlinked) == []
    assert len(await world.kept()) > 1


async def test_an_accept_waits_for_room_and_is_carried_out_once(world, monkeypatch):
    """Bytes go first: while they cannot be written there is no row, no outcome and no file; then all of it is there."""
    waiting = [asyncio.create_task(world.recorder.record(world.finding(n))) for n in range(4)]
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_room)
        while not world.recorder.waiting_for:
            await asyncio.sleep(0.001)
        assert "No space left on device" in world.recorder.waiting_for
        with pytest.raises(StoreAway):
            world.recorder.require_store()
        # What needs no bytes goes on.
        rejected = Judgement(Verdict.OFF_PROFILE, "too far", accepted().evidence)
        await world.recorder.record(world.finding(9, judgement=rejected))
        assert await world.kept() == []
        assert [await world.outcome(n) for n in (0, 1, 2, 3, 9)] == [None] * 4 + ["FETCHED"]
        # One tries again just now, beside the place.
        assert [path for path in (world.folder / "blobs").glob("??/*") if path.is_file()] == []
    await asyncio.gather(*waiting)
    assert {image.digest for image in await world.kept()} == {world.digest(n) for n in range(4)}
    assert [await world.outcome(n) for n in range(4)] == ["FETCHED"] * 4
    assert len(list((world.folder / "kept" / "landscapes").iterdir())) == 4
    world.recorder.require_store()


async def test_a_rejudgement_does_not_wait_for_room(world, monkeypatch):
    """Whoever asked for it is told; nothing is written, nobody is said to wait, and asking again keeps it."""
    finding = world.finding(0, crawl_id=None, known=True)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_room)
        async with asyncio.timeout(20):
            with pytest.raises(StoreAway, match="No space left on device"):
                await world.recorder.record(finding)
    assert await world.kept() == []
    world.recorder.require_store()
    await world.recorder.record(finding)
    assert [image.digest for image in await world.kept()] == [world.digest(0)]


async def test_a_name_that_finds_no_room_is_made_later(world, monkeypatch):
    """The row is written: the accept has ended, and the next one makes the name that is owed."""

    def full(*_):
        raise StoreAway("/data", "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "link", full)
        await world.recorder.record(world.finding(0))
    assert len(await world.database.run(images.list_unlinked)) == 1
    await world.recorder.record(world.finding(1))
    assert await world.database.run(images.list_unlinked) == []
    assert len(list((world.folder / "kept" / "landscapes").iterdir())) == 2


async def test_a_name_of_lost_bytes_ends_no_start(world):
    """What was deleted behind our back between row and name is logged, and the others get theirs."""
    for number in range(2):
        await world.recorder.record(world.finding(number))
    for image in await world.kept():
        (world.folder / "kept" / "landscapes" / image.file_name).unlink()
    world.store.path(world.digest(0)).unlink()
    await world.database.run(lambda c: c.execute(update(table).values(linked=False)).rowcount)
    with capture_logs() as logs:
        await world.recorder.make_missing_links()
    assert [one["digests"] for one in logs if one["event"] == "blobs_lost"] == [[world.digest(0)]]
    assert len(list((world.folder / "kept" / "landscapes").iterdir())) == 1


async def test_bytes_that_another_profile_kept_are_asked_for(world, monkeypatch):
    """Whether they are there, and later if that cannot be told just now."""
    answers = [StoreAway("s3://b", "no answer in time"), True]

    def has(_digest):
        answer = answers.pop(0)
        if isinstance(answer, StoreAway):
            raise answer
        return answer

    monkeypatch.setattr(world.store, "has", has)
    assert await world.recorder.is_stored("a" * 64)
    assert answers == []


async def counted(world):
    """How candidates scored under the profile: (source, (low, high, count)...)."""
    found = await world.database.run(
        lambda c: score_counts.list_distributions(c, PROFILE, max_days=9)
    )
    return [(one.source, [(b.low_nats, b.high_nats, b.count) for b in one.bins]) for one in found]


async def test_candidates_are_counted_once_by_their_score(world):
    """Accepted or not, in the range of the profile's bins; a listing that is processed again counts no second time."""
    off = Judgement(Verdict.OFF_PROFILE, "too far", Evidence(embedding(), score(-5.0)))
    for _ in range(2):
        await world.recorder.record(world.finding(0, bins=BINS))
        await world.recorder.record(world.finding(1, judgement=off, bins=BINS))
    assert await counted(world) == [("folder:/a", [(-math.inf, 0.0, 1), (0.0, 20.0, 1)])]


async def test_what_is_no_candidate_of_today_is_not_counted(world):
    """Neither what has no score nor what is judged again without bins."""
    unscored = Judgement(Verdict.DUPLICATE, "a copy", Evidence(), "d" * 64)
    await world.recorder.record(world.finding(0, judgement=unscored, bins=BINS))
    await world.recorder.record(world.finding(1))
    assert await counted(world) == []


async def test_a_judgement_that_is_not_written_is_not_counted(world, monkeypatch):
    """Count and judgement are one transaction."""

    def broken(*_arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("services.crawler.catalogue.settling.settle", broken)
    with pytest.raises(OSError, match="Input/output"):
        await world.recorder.record(world.finding(0, bins=BINS))
    assert await counted(world) == []


async def test_a_finding_without_a_crawl_settles_no_listing(world):
    """A rejudgement keeps what is in the store: judgement, image and name are there, the listing is still to do."""
    await world.recorder.record(world.finding(0, crawl_id=None, known=True))
    [kept] = await world.kept()
    assert kept.digest == world.digest(0)
    assert (world.folder / "kept" / "landscapes" / kept.file_name).exists()
    assert await world.database.run(lambda c: crawls.list_settled(c, "c1", after=0, limit=9)) == []
    assert await world.database.run(lambda c: frontier.count_unsettled(c, "c1")) == 20


@pytest.mark.parametrize("cut", list(Cut))
async def test_nothing_counts_twice_when_commits_are_cut_off(postgres, tmp_path, cut):
    """Outcomes, verdicts, images, names and scores are there once, whatever became of the connection in COMMIT."""
    with postgres.database() as url, CuttingProxy(postgres.port) as proxy:
        world = await asyncio.to_thread(World, tmp_path, url.set(port=proxy.port))
        await world.begin()
        # A new connection has a commit of its own. On a busy machine more findings go into one transaction.
        proxy.cuts = [cut, None, None] * 6
        await asyncio.gather(
            *(world.recorder.record(world.finding(number, bins=BINS)) for number in range(20))
        )
        assert proxy.cuts == []
        counts = await world.database.run(lambda c: crawls.list_counts(c, "c1"))
        assert sum(one.count for one in counts) == 20
        crawl = await world.database.run(lambda c: crawls.get_crawl(c, "c1"))
        assert crawl.last_sequence == 20
        assert await counted(world) == [("folder:/a", [(0.0, 20.0, 20)])]
        assert len(await world.kept()) == 20
        await world.recorder.close()
        world.database.close()


async def test_the_number_of_a_purged_image_never_comes_back(world):
    """Whoever has read up to it, and this crawler itself, remember the image that is accepted next."""
    other = SeenImages()

    async def follow():
        other.learn(await world.database.run(lambda c: read_news(c, other.horizon)))

    def purge(connection):
        [image] = purges.select_images(connection, PurgeSelection((world.digest(0),)))
        purges.purge(connection, image, reason="", now=4.0)

    await world.recorder.record(world.finding(0))
    await follow()
    await world.database.run(purge)
    await world.recorder.record(world.finding(1))
    await follow()
    for seen in (world.seen, other):
        assert seen.find("landscapes", "f" * 64, decoded_candidate(1)).digest == world.digest(1)
