from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from services.crawler.catalogue import (
    crawls,
    distinct_pairs,
    frontier,
    judgements,
    kept_images,
    priorities,
    refetches,
    releases,
    score_counts,
)
from services.crawler.catalogue.crawls import CrawlLimits, CrawlRequest, CrawlState
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.near_reading import NearReading
from services.crawler.catalogue.schema import crawl_sources, listings
from services.crawler.crawl.crawl_run import CrawlRun, RunLimits, RunParts, RunTerms
from services.crawler.crawl.pipeline import Pipeline, PipelineParts
from services.crawler.fetch.host_paces import HostPaces
from services.crawler.fetch.identity import ContactMissing
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.gates.duplicate import DuplicateGate
from services.crawler.gates.novelty import NoveltyGate
from services.crawler.gates.watermark import WatermarkGate
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.judging.inspector import ServedModels
from services.crawler.models.model_services import DetectorFacts, EncoderFacts
from services.crawler.outcome import Fetched, FetchFailed, OutcomeReason
from services.crawler.post import Post, PostFlags
from services.crawler.score_distribution import ScoreBins
from services.crawler.screen import Screen
from services.crawler.seen.better_copy import as_found
from services.crawler.seen.seen_images import SeenImages
from services.crawler.sources.source import Batch, SourceFailed
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.crawler.store.store_wait import StoreWait
from services.servicekit.embedding import Precision
from services.servicekit.errors import FailedPrecondition, ItemRejected
from services.servicekit.rejection import RejectionCode
from services.servicekit.resize import InputShape
from tests.crawler.subjects import (
    DETECTOR_ID,
    ENCODER_ID,
    decoded_candidate,
    detection,
    embedding,
    random_fingerprint,
    score,
)


def no_room(_handle):
    raise OSError(errno.ENOSPC, "No space left on device")


PROFILE = ProfileVersion("landscapes", 1)
BINS = ScoreBins((0.0,))
LIMITS = RunLimits(workers=4, max_pending=50, lease_s=60.0, poll_s=0.01)


async def no_answer(question):
    raise AssertionError(question)


class FakeSource:
    """Lists `count` images whose names say what becomes of them."""

    poll_s = 0.01

    def __init__(self, uri, names, failure=None, skipped_count=0):
        self.uri = uri
        self._skipped_count = skipped_count
        self._names, self._failure = names, failure

    async def list_posts(self, cursor):
        for name in self._names:
            yield Batch((Post(f"http://site.example/{name}"),))
        yield Batch((), skipped_count=self._skipped_count)
        if self._failure:
            raise SourceFailed(self.uri, self._failure)


class FakeFetcher:
    """Answers by name: `missing`, `flaky` (fails once), `copy-of-X` (X's bytes), else bytes of the name."""

    def __init__(self):
        self.paces = HostPaces(PaceLimits(requests_per_s=10_000.0), connections=32)
        self.fetched = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, listing):
        await self.gate.wait()
        name = listing.url.rpartition("/")[2]
        self.fetched.append(name)
        if name.startswith("missing"):
            raise FetchFailed(OutcomeReason.NOT_FOUND, "the server answered 404")
        if name.startswith("broken-service") and self.fetched.count(name) == 1:
            raise ConnectionError("a bug, or a service away")
        return Fetched(name.removeprefix("copy-of-").encode(), listing.url)


class FakeInspector:
    """Decodes names: `bad…` does not decode, `near…` are one picture; `off…` and `marked…` do not pass."""

    def __init__(self, seen):
        self._seen = seen
        self.refused = False
        self.other_precision = False
        self.log_likelihood = {}

    async def refresh(self):
        shape = InputShape(4, 4)
        return ServedModels(
            EncoderFacts(ENCODER_ID, Precision.FP32, shape), DetectorFacts(DETECTOR_ID, 0.5, shape)
        )

    async def decode(self, encoded):
        name = encoded.decode()
        if name.startswith("bad"):
            raise ItemRejected(RejectionCode.TRUNCATED, "it ends too early")
        seed = int.from_bytes(hashlib.sha256(encoded).digest()[:4], "big")
        inputs = {"embedder": name, "watermark": name}
        fingerprint = random_fingerprint(1) if name.startswith("near") else None
        return decoded_candidate(seed, inputs=inputs, fingerprint=fingerprint)

    def gates(self, profile, *, duplicates):
        async def embed(name):
            found = embedding(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))
            self.log_likelihood[found.values.tobytes()] = -1.0 if name.startswith("off") else 1.0
            return found

        async def score_embedding(_profile, found):
            if self.refused:
                raise FailedPrecondition("the profile is of another encoder")
            threshold = 0.0 if profile.name != "everything" else -5.0
            return score(self.log_likelihood[found.values.tobytes()], threshold)

        async def detect(name):
            return detection(0.9 if name.startswith("marked") else 0.1)

        return [
            DuplicateGate(self._seen, as_found, profile_name=profile.name),
            NoveltyGate(embed, score_embedding, profile),
            WatermarkGate(detect),
        ]

    async def comparable(self, profile, evidence):
        return replace(evidence, embedding=None) if self.other_precision else evidence

    def with_threshold(self, evidence):
        if evidence.detection is None:
            return evidence
        return replace(evidence, detection=replace(evidence.detection, threshold=0.5))


class World:
    def __init__(self, folder, place):
        self.database = Database(place)
        self.store = FolderStore(folder)
        self.seen = SeenImages()
        self.fetcher = FakeFetcher()
        self.inspector = FakeInspector(self.seen)
        self.recorder = Recorder(self.database, self.store, self.seen)
        self.screen = Screen()
        self.limits = LIMITS
        self.settled = 0

    def count(self):
        self.settled += 1

    async def create(
        self, crawl_id="c1", profile=PROFILE, limits=CrawlLimits(), sources=("folder:/a",)
    ):
        request = CrawlRequest(f"r-{crawl_id}", sources, profile, limits)
        return await self.database.run(lambda c: crawls.create_crawl(c, crawl_id, request, now=1.0))

    async def run(self, crawl, *sources):
        parts = PipelineParts(
            self.database,
            self.store,
            self.fetcher,
            self.inspector,
            self.screen,
            self.recorder,
            self.seen,
        )
        pipeline = Pipeline(parts, crawl, "me", BINS)
        terms = RunTerms(self.limits, no_answer)
        self.crawl_run = CrawlRun(crawl, pipeline, RunParts(self.database, "me", terms))
        return await asyncio.wait_for(self.crawl_run.run(sources, self.count), 60)

    async def verdicts(self, crawl_id="c1"):
        counts = await self.database.run(lambda c: crawls.list_counts(c, crawl_id))
        found = {}
        for one in counts:
            word = str(one.verdict or one.reason)
            found[word] = found.get(word, 0) + one.count
        return found


@pytest.fixture
async def world(tmp_path, place):
    world = World(tmp_path, place)
    yield world
    await world.recorder.close()
    world.database.close()


async def test_every_listing_ends_once(world):
    """Good, off-profile, watermarked, near and exact copies, missing and broken: each has its end."""
    names = ["a", "b", "off1", "marked1", "missing1", "bad1", "near1", "near2", "copy-of-a"]
    crawl = await world.create()
    state, reason = await world.run(crawl, FakeSource("folder:/a", names))
    assert (state, reason) == (CrawlState.COMPLETED, "")
    assert await world.verdicts() == {
        "ACCEPTED": 3, "OFF_PROFILE": 1, "WATERMARKED": 1, "DUPLICATE": 2, "NOT_FOUND": 1, "TRUNCATED": 1,
    }  # fmt: skip
    settled = await world.database.run(lambda c: crawls.list_settled(c, "c1", after=0, limit=99))
    assert sorted(one.listing.url.rpartition("/")[2] for one in settled) == sorted(names)
    assert world.settled > 0


async def test_what_a_person_calls_distinct_while_it_is_judged_is_judged_again(world, monkeypatch):
    """The gates had decided before: its listing is given back, and ends by what holds now."""
    near_reading = NearReading(world.database, world.seen)
    gate = DuplicateGate(world.seen, near_reading.read, profile_name=PROFILE.name)
    real, said = gate.judge, []

    async def judge(subject):
        judged = await real(subject)
        if judged.verdict is Verdict.DUPLICATE and not said:
            said.append(subject.digest)
            add = partial(distinct_pairs.add_pair, one=subject.digest, other=judged.duplicate_of)
            await world.database.run(partial(add, now=5.0))
        return judged

    gate.judge = judge
    monkeypatch.setattr(world.inspector, "gates", lambda *_, **__: [gate])
    for name in ("near1", "near2"):
        crawl = await world.create(name)
        ended = await world.run(crawl, FakeSource("folder:/a", [name]))
        assert ended == (CrawlState.COMPLETED, "")
        assert await world.verdicts(name) == {"ACCEPTED": 1}
    assert len(said) == 1
    assert len(world.fetcher.fetched) == 3


async def test_what_a_word_releases_while_its_listing_ends_is_judged_again(world, monkeypatch):
    """The crawl that is to judge it anew has just read the old judgement: its listing is given back."""
    near_reading = NearReading(world.database, world.seen)
    gate = DuplicateGate(world.seen, near_reading.read, profile_name=PROFILE.name)
    monkeypatch.setattr(world.inspector, "gates", lambda *_, **__: [gate])
    for name in ("near1", "near2"):
        await world.run(await world.create(name), FakeSource("folder:/a", [name]))
    assert await world.verdicts("near2") == {"DUPLICATE": 1}
    one, two = (hashlib.sha256(name.encode()).hexdigest() for name in ("near1", "near2"))
    refetch = await world.create("again", sources=())
    settle, said = world.recorder.settle, []

    def release(connection):
        distinct_pairs.add_pair(connection, one, two, now=5.0)
        [rejected] = releases.find_rejected(connection, two, one)
        releases.release(connection, rejected)
        assert refetches.find_refetch(connection, PROFILE) == "again"
        assert frontier.add_known(connection, "again", rejected.listing_ids) == 0

    async def late(ending):
        if not said:
            said.append(ending.settlement.verdict)
            await world.database.run(release)
        return await settle(ending)

    monkeypatch.setattr(world.recorder, "settle", late)
    listed = select(listings.c.listing_id).where(listings.c.digest == two)
    await world.database.run(lambda c: frontier.add_known(c, "again", list(c.scalars(listed))))
    assert await world.run(refetch) == (CrawlState.COMPLETED, "")
    assert said == [Verdict.DUPLICATE]
    assert await world.verdicts("again") == {"ACCEPTED": 1}
    assert await world.verdicts("near2") == {"ACCEPTED": 1}
    kept = await world.database.run(lambda c: kept_images.list_kept(c, ""))
    assert [image.digest for image in kept] == [one, two]


async def test_running_again_fetches_nothing(world):
    """A second crawl of the same source settles everything from what is known."""
    names = ["a", "off1", "missing1", "near1", "near2", "copy-of-a"]
    await world.run(await world.create(), FakeSource("folder:/a", names))
    first = len(world.fetcher.fetched)
    second = await world.create("c2")
    assert await world.run(second, FakeSource("folder:/a", names)) == (CrawlState.COMPLETED, "")
    assert len(world.fetcher.fetched) == first
    assert await world.verdicts("c2") == await world.verdicts("c1")
    counts = await world.database.run(lambda c: crawls.list_counts(c, "c2"))
    assert all(count.known for count in counts)


async def test_another_taste_judges_what_is_known(world):
    """A second profile fetches again only what it accepts and the store never kept."""
    names = ["a", "off1", "off2", "marked1"]
    await world.run(await world.create(), FakeSource("folder:/a", names))
    world.fetcher.fetched.clear()
    everything = ProfileVersion("everything", 1)
    crawl = await world.create("c2", everything)
    await world.run(crawl, FakeSource("folder:/a", names))
    assert sorted(world.fetcher.fetched) == ["off1", "off2"]
    assert await world.verdicts("c2") == {"ACCEPTED": 3, "WATERMARKED": 1}
    kept = await world.database.run(lambda c: kept_images.list_kept(c, "everything"))
    assert len(kept) == 3


async def counted_scores(world, profile=PROFILE):
    """How many candidates scored under 0, and at or over it."""
    found = await world.database.run(
        lambda c: score_counts.list_distributions(c, profile, max_days=9)
    )
    bins = [one for distribution in found for one in distribution.bins]
    return [
        sum(one.count for one in bins if (one.low_nats >= 0.0) is over) for over in (False, True)
    ]


async def test_candidates_are_counted_once_for_each_profile(world):
    """By their scores: copies and what does not decode have none, and what is known counts for another taste."""
    names = ["a", "off1", "off2", "marked1", "missing1", "bad1", "copy-of-a"]
    for crawl_id in ("c1", "c2"):
        await world.run(await world.create(crawl_id), FakeSource("folder:/a", names))
        assert await counted_scores(world) == [2, 2]
    everything = ProfileVersion("everything", 1)
    await world.run(await world.create("c3", everything), FakeSource("folder:/a", names))
    assert await counted_scores(world, everything) == [2, 2]


async def test_a_refetch_is_not_counted(world):
    """What a crawl without sources fetches was chosen by its score."""
    await world.run(await world.create(), FakeSource("folder:/a", ["a", "off1"]))
    everything = ProfileVersion("everything", 1)
    refetch = await world.create("c2", everything, sources=())
    every = select(listings.c.listing_id)
    await world.database.run(
        lambda c: frontier.add_known(c, "c2", c.execute(every).scalars().all())
    )
    await world.run(refetch)
    assert await world.verdicts("c2") == {"ACCEPTED": 2}
    assert await counted_scores(world, everything) == [0, 0]


async def test_what_is_kept_already_is_a_duplicate_elsewhere(world):
    """The same bytes at another address, in a later crawl; at its own address the image stays accepted."""
    await world.run(await world.create(), FakeSource("folder:/a", ["a"]))
    crawl = await world.create("c2")
    await world.run(crawl, FakeSource("folder:/a", ["copy-of-a", "a"]))
    assert await world.verdicts("c2") == {"ACCEPTED": 1, "DUPLICATE": 1}


async def test_an_infrastructure_failure_is_tried_again(world):
    """An unexpected error is no verdict: the listing comes back and ends well."""
    crawl = await world.create()
    state, _ = await world.run(crawl, FakeSource("folder:/a", ["broken-service", "a"]))
    assert state is CrawlState.COMPLETED
    assert await world.verdicts() == {"ACCEPTED": 2}
    assert world.fetcher.fetched.count("broken-service") == 2


async def test_cancelling_gives_everything_back(world):
    """A paused crawl leaves no lease behind, and goes on where it was."""
    world.fetcher.gate.clear()
    crawl = await world.create()
    names = [f"n{number}" for number in range(30)]
    run = asyncio.create_task(world.run(crawl, FakeSource("folder:/a", names)))
    while not await world.database.run(lambda c: held(c)):
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await world.database.run(lambda c: held(c)) == 0
    world.fetcher.gate.set()
    assert (await world.run(crawl, FakeSource("folder:/a", names)))[0] is CrawlState.COMPLETED
    assert await world.verdicts() == {"ACCEPTED": 30}


async def test_a_source_that_fails(world):
    """One bad source of two is said and does not end the crawl; alone it does."""
    good, bad = FakeSource("folder:/a", ["a"]), FakeSource("folder:/b", [], "gone")
    both = await world.create(sources=("folder:/b", "folder:/a"))
    state, reason = await world.run(both, bad, good)
    assert state is CrawlState.COMPLETED
    assert "gone" in reason
    state, reason = await world.run(await world.create("c2"), bad)
    assert state is CrawlState.FAILED
    assert "gone" in reason


async def test_a_source_that_needs_a_contact_ends_the_crawl(world):
    """A person must act first: the crawl says what is to be done, whatever the other sources are."""
    good, bad = FakeSource("folder:/a", ["a"]), FakeSource("commons:user/A", [])

    async def list_posts(_cursor):
        raise ContactMissing("commons.wikimedia.org")
        yield

    bad.list_posts = list_posts
    both = await world.create(sources=("commons:user/A", "folder:/a"))
    state, reason = await world.run(both, bad, good)
    assert state is CrawlState.FAILED
    assert "lodestone up --contact" in reason


async def test_a_lister_that_lost_its_lease_takes_it_again(world):
    """What it found meanwhile is not recorded; when the other crawler has let go, it is listed anew."""
    looks = 0

    class StolenSource(FakeSource):
        async def list_posts(self, cursor):
            nonlocal looks
            looks += 1
            if looks == 1:
                stolen = {"lease_owner": "another", "lease_expire_time": 1.0}
                await world.database.run(lambda c: c.execute(crawl_sources.update().values(stolen)))
            async for batch in super().list_posts(cursor):
                yield batch

    crawl = await world.create()
    state, reason = await world.run(crawl, StolenSource("folder:/a", ["a", "b"]))
    assert (state, reason, looks) == (CrawlState.COMPLETED, "", 2)
    assert await world.verdicts() == {"ACCEPTED": 2}


async def test_a_source_that_lists_nothing(world):
    """An empty folder is one clear sentence."""
    state, reason = await world.run(await world.create(), FakeSource("folder:/a", []))
    assert (state, reason) == (CrawlState.FAILED, "the sources list no images")


async def test_a_source_whose_posts_are_all_left_out(world):
    """The reason is not that there was nothing."""

    class Videos(FakeSource):
        async def list_posts(self, cursor):
            yield Batch((Post(flags=PostFlags(is_video=True)),) * 3)

    state, reason = await world.run(await world.create(), Videos("folder:/a", []))
    assert (state, reason) == (
        CrawlState.FAILED,
        "the sources have posts (3), and none of them became a listing",
    )


async def test_many_sources_that_fail_are_told_in_short(world):
    """Five of them, and how many there are besides."""
    uris = tuple(f"folder:/{number}" for number in range(40))
    crawl = await world.create(sources=uris)
    state, reason = await world.run(crawl, *(FakeSource(uri, [], "gone") for uri in uris))
    assert state is CrawlState.FAILED
    assert reason.count("gone") == 5
    assert reason.endswith("and 35 more sources")


async def test_a_damaged_store_pauses_the_crawl(world):
    """Bytes that were cut behind our back: it says which, repairs nothing, and goes on once they are out of the way."""
    digest = hashlib.sha256(b"a").hexdigest()
    blob = world.store.path(digest)
    blob.parent.mkdir()
    blob.write_bytes(b"cut off")
    crawl, source = await world.create(), FakeSource("folder:/a", ["a", "b"])
    state, reason = await world.run(crawl, source)
    assert state is CrawlState.PAUSED
    assert f"the stored image {digest[:12]} is damaged: it has 7 bytes instead of 1" in reason
    assert blob.read_bytes() == b"cut off"
    blob.unlink()
    assert await world.run(crawl, source) == (CrawlState.COMPLETED, "")
    assert await world.verdicts() == {"ACCEPTED": 2}


async def test_a_full_disk_fails_no_listing(world, monkeypatch):
    """While nothing can be stored the crawl goes no further, and retries nothing; then all of it is done at once."""
    names = ["a", "b", "c", "d", "e", "off1"]
    monkeypatch.setattr(world.recorder, "_wait", StoreWait(first_s=0.01, last_s=0.02))
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(os, "fsync", no_room)
        crawl = await world.create()
        running = asyncio.create_task(world.run(crawl, FakeSource("folder:/a", names)))
        # Those who have not tried yet are among the waiters.
        while world.recorder._wait._waiters < LIMITS.workers or not world.recorder.waiting_for:
            await asyncio.sleep(0.01)
        assert "No space left on device" in world.recorder.waiting_for
        assert len(world.fetcher.fetched) <= LIMITS.workers + 1
        assert "ACCEPTED" not in await world.verdicts()
        patched.undo()
        assert await running == (CrawlState.COMPLETED, "")
    assert await world.verdicts() == {"ACCEPTED": 5, "OFF_PROFILE": 1}
    assert sorted(world.fetcher.fetched) == sorted(names)
    assert [one["event"] for one in logs] == ["store_away", "store_back"]


async def test_a_profile_of_another_encoder_pauses_the_crawl(world):
    """It cannot go on, says why, rejects nothing, and loses nothing: it ends as if nothing had happened."""
    crawl, source = await world.create(), FakeSource("folder:/a", ["a", "b", "off1"])
    world.inspector.refused = True
    state, reason = await world.run(crawl, source)
    assert (state, reason) == (CrawlState.PAUSED, "the profile is of another encoder")
    assert await world.verdicts() == {}
    world.inspector.refused = False
    assert await world.run(crawl, source) == (CrawlState.COMPLETED, "")
    assert await world.verdicts() == {"ACCEPTED": 2, "OFF_PROFILE": 1}


async def test_a_recorded_embedding_of_another_precision_is_not_reused(world):
    """What the profile does not take is fetched and embedded again, and judged by that."""
    await world.run(await world.create(), FakeSource("folder:/a", ["off1", "off2"]))
    world.inspector.other_precision = True
    crawl = await world.create("c2", profile=ProfileVersion("landscapes", 2))
    await world.run(crawl, FakeSource("folder:/a", ["off1", "off2"]))
    assert sorted(world.fetcher.fetched) == ["off1", "off1", "off2", "off2"]
    assert await world.verdicts("c2") == {"OFF_PROFILE": 2}


async def test_max_listings(world):
    """No more listings are taken than asked for."""
    names = [f"n{number}" for number in range(250)]
    crawl = await world.create(limits=CrawlLimits(max_listings=120))
    state, _ = await world.run(crawl, FakeSource("folder:/a", names))
    assert state is CrawlState.COMPLETED
    assert await world.verdicts() == {"ACCEPTED": 120}


async def test_max_accepted(world):
    """The crawl ends when it has enough, and a few more at most."""
    names = [f"n{number}" for number in range(200)]
    crawl = await world.create(limits=CrawlLimits(max_accepted=5))
    state, reason = await world.run(crawl, FakeSource("folder:/a", names))
    assert state is CrawlState.COMPLETED
    assert "limit of 5" in reason
    assert 5 <= (await world.verdicts())["ACCEPTED"] <= 5 + 2 * LIMITS.workers


async def test_the_lister_waits_for_room(world):
    """A slow stage slows the lister: the frontier never holds more than its bound and one batch."""
    world.fetcher.gate.clear()
    names = [f"n{number}" for number in range(300)]
    crawl = await world.create()
    run = asyncio.create_task(world.run(crawl, FakeSource("folder:/a", names)))
    while not world.fetcher.gate.is_set():
        found = (await world.database.run(lambda c: crawls.get_crawl(c, "c1"))).found_count
        assert found <= LIMITS.max_pending + 100
        if found >= LIMITS.max_pending:
            world.fetcher.gate.set()
        await asyncio.sleep(0.01)
    assert (await run)[0] is CrawlState.COMPLETED
    assert await world.verdicts() == {"ACCEPTED": 300}


async def test_a_frontier_full_of_low_priorities_keeps_no_high_one_out(world):
    """Its source lists all the same, and what it lists is fetched before the rest."""
    world.fetcher.gate.clear()
    is_full = asyncio.Event()

    class Late(FakeSource):
        async def list_posts(self, cursor):
            await is_full.wait()
            async for batch in super().list_posts(cursor):
                yield batch

    low = FakeSource("folder:/low", [f"off{number}" for number in range(150)])
    high = Late("folder:/high", ["high1", "high2", "high3"])
    crawl = await world.create(sources=(low.uri, high.uri))
    await world.database.run(lambda c: priorities.set_priority(c, "c1", [high.uri], 1))
    running = asyncio.create_task(world.run(crawl, low, high))
    async with asyncio.timeout(20):
        while await found_of(world, 0) < LIMITS.max_pending:
            await asyncio.sleep(0.01)
        is_full.set()
        while await found_of(world, 1) < 3:
            await asyncio.sleep(0.01)
    listed = await found_of(world, 0)
    assert listed < 150
    world.fetcher.gate.set()
    assert (await running)[0] is CrawlState.COMPLETED
    # What was leased by then is fetched before; it is less than was listed.
    assert {"high1", "high2", "high3"} <= set(world.fetcher.fetched[: listed + 3])
    assert await world.verdicts() == {"ACCEPTED": 3, "OFF_PROFILE": 150}


async def test_a_source_that_is_raised_while_many_wait_lists_next(world, monkeypatch):
    """Not after all that waited before it."""
    world.fetcher.gate.clear()
    looks = []
    count_ahead = priorities.count_ahead

    def look(connection, crawl_id, position):
        looks.append(position)
        return count_ahead(connection, crawl_id, position)

    monkeypatch.setattr(priorities, "count_ahead", look)
    first = FakeSource("folder:/first", [f"off{number}" for number in range(60)])
    others = [FakeSource(f"folder:/{number}", [f"n{number}"]) for number in range(30)]
    sources = [first, *others]
    crawl = await world.create(sources=tuple(one.uri for one in sources))
    running = asyncio.create_task(world.run(crawl, *sources))
    async with asyncio.timeout(20):
        while set(looks) < set(range(31)) or await found_of(world, 0) < LIMITS.max_pending:
            await asyncio.sleep(0.01)
        await world.database.run(lambda c: priorities.set_priority(c, "c1", [others[9].uri], 1))
        changed = await world.database.run(lambda c: crawls.get_crawl(c, "c1"))
        before = len(looks)
        world.crawl_run.prioritise(changed)
        while await found_of(world, 10) == 0:
            await asyncio.sleep(0.01)
    # One that has the turn already may look first.
    assert 10 in looks[before : before + 2]
    world.fetcher.gate.set()
    assert (await running)[0] is CrawlState.COMPLETED


async def test_leases_are_renewed_while_priorities_move(world, monkeypatch):
    """However long that takes: listings and sources stay this crawler's."""
    is_moving, may_move = asyncio.Event(), asyncio.Event()

    async def move_all(_database, _crawl_id):
        is_moving.set()
        await may_move.wait()

    monkeypatch.setattr(priorities, "move_all", move_all)
    world.limits = replace(LIMITS, lease_s=1.5)
    world.fetcher.gate.clear()
    crawl = await world.create()
    running = asyncio.create_task(world.run(crawl, FakeSource("folder:/a", ["a", "b"])))
    async with asyncio.timeout(20):
        await is_moving.wait()
        first = await held_until(world, 2)
        while await held_until(world, 2) <= first + world.limits.lease_s:
            await asyncio.sleep(0.05)
    world.fetcher.gate.set()
    assert (await running)[0] is CrawlState.COMPLETED
    assert not may_move.is_set()


async def held_until(world, count):
    """When the first of so many leases of listings ends; waits until there are so many."""
    query = select(listings.c.lease_expire_time).where(listings.c.lease_expire_time.is_not(None))
    while len(held := await world.database.run(lambda c: c.scalars(query).all())) < count:
        await asyncio.sleep(0.01)
    return min(held)


async def found_of(world, position):
    query = f"SELECT count(*) FROM crawl_listings WHERE position = {position}"
    return await world.database.run(lambda c: c.exec_driver_sql(query).scalar_one())


async def test_embeddings_are_recorded_for_rejected_images(world):
    """What was judged keeps its embedding and scores, accepted or not."""
    await world.run(await world.create(), FakeSource("folder:/a", ["off1"]))
    digest = hashlib.sha256(b"off1").hexdigest()
    decoded, evidence = await world.database.run(
        lambda c: judgements.get_candidate(
            c, digest, encoder_id=ENCODER_ID, detector_id=DETECTOR_ID
        )
    )
    assert evidence.embedding is not None
    assert decoded.width_px == 2000
    _, judgement = await world.database.run(lambda c: judgements.get_judgement(c, digest, PROFILE))
    assert judgement.verdict is Verdict.OFF_PROFILE


def held(connection):
    query = "SELECT count(*) FROM listings WHERE lease_owner IS NOT NULL"
    return connection.exec_driver_sql(query).scalar_one()


async def test_what_the_source_left_out_is_counted(world):
    """Rows without a URL and repeated ones, also when the crawl goes on from the beginning of the list."""
    source = FakeSource("folder:/a", ["a", "b", "a", "a"], skipped_count=3)
    crawl = await world.create()
    for _ in range(2):
        assert (await world.run(crawl, source))[0] is CrawlState.COMPLETED
        counted = await world.database.run(lambda c: crawls.get_crawl(c, "c1"))
        assert (counted.found_count, counted.repeated_count, counted.skipped_count) == (2, 2, 3)


async def test_another_screen_judges_what_was_left_out(world):
    """Too small is known while the screen would say so again; a screen that passes the size fetches it."""
    names = ["a", "b"]
    world.screen = Screen(min_pixels=2_000 * 1_000 + 1)
    await world.run(await world.create("c1"), FakeSource("folder:/a", names))
    assert await world.verdicts("c1") == {"TOO_SMALL": 2}
    world.screen = Screen(min_pixels=3_000_000)
    await world.run(await world.create("c2"), FakeSource("folder:/a", names))
    assert len(world.fetcher.fetched) == 2
    world.screen = Screen(min_pixels=2_000 * 1_000)
    await world.run(await world.create("c3"), FakeSource("folder:/a", names))
    assert await world.verdicts("c3") == {"ACCEPTED": 2}
    assert len(world.fetcher.fetched) == 4


async def test_a_crawl_outlives_crashes_of_its_database(postgres, tmp_path):
    """Every listing ends once, whatever was under way: nothing is rejected or counted twice for it."""
    names = [f"{kind}{number}" for number in range(40) for kind in ("a", "off", "missing")]
    with postgres.database() as url:
        world = World(tmp_path, url)
        crawl = await world.create()
        running = asyncio.create_task(world.run(crawl, FakeSource("folder:/a", names)))
        for settled in (20, 60):
            while world.settled < settled:
                await asyncio.sleep(0.001)
            await asyncio.to_thread(postgres.stop, "immediate")
            await asyncio.to_thread(postgres.start)
        assert await running == (CrawlState.COMPLETED, "")
        assert await world.verdicts() == {"ACCEPTED": 40, "OFF_PROFILE": 40, "NOT_FOUND": 40}
        assert await counted_scores(world) == [40, 40]
        crawl = await world.database.run(lambda c: crawls.get_crawl(c, "c1"))
        assert (crawl.found_count, crawl.last_sequence) == (120, 120)
        await world.recorder.close()
        world.database.close()
