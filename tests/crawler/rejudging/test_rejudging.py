from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from services.crawler.candidate import Candidate
from services.crawler.catalogue import (
    crawls,
    frontier,
    judgements,
    kept_images,
    late_judgements,
    refetches,
)
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.schema import candidates, metadata
from services.crawler.crawl.pipeline import PipelineParts
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Score, Verdict
from services.crawler.judging.inspector import Inspector
from services.crawler.judging.precision_check import OtherEncoder, PrecisionCheck
from services.crawler.listing import Listing
from services.crawler.models.model_services import DetectorFacts, EncoderFacts
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.profile_facts import PrecisionFinding, ProfileFacts
from services.crawler.rejudging import rejudging
from services.crawler.rejudging.rejudgement import RejudgeSummary
from services.crawler.rejudging.rejudging import Rejudging
from services.crawler.screen import Screen
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import NotFound
from services.servicekit.resize import InputShape
from tests.crawler.store.stores import put_bytes
from tests.crawler.subjects import (
    DETECTOR_ID,
    ENCODER_ID,
    decoded_candidate,
    detection,
    embedding,
    random_fingerprint,
)

V1, V2 = ProfileVersion("landscapes", 1), ProfileVersion("landscapes", 2)
SUNSETS = ProfileVersion("sunsets", 1)
SHAPE = InputShape(4, 4)
# Log-likelihoods of the images by number are what the tests say; these are the thresholds.
THRESHOLDS = {V1: 10.0, V2: 0.0, SUNSETS: -100.0}


class FakeModels:
    """Two versions of `landscapes`, the second one looser, and scores by image and version."""

    waiting_for = ""

    def __init__(self):
        self.encoder_id, self.detector_id = ENCODER_ID, DETECTOR_ID
        self.findings = ()
        self.scores = {}
        self.batches = []

    async def profile(self, name):
        profile = {"landscapes": V2, "landscapes@1": V1, "landscapes@2": V2}.get(name)
        if profile is None:
            kind = "profile"
            raise NotFound(kind, name)
        return ProfileFacts(profile, ENCODER_ID, Precision.FP32, self.findings)

    async def encoder(self):
        return EncoderFacts(self.encoder_id, Precision.FP32, SHAPE)

    async def detector(self):
        return DetectorFacts(self.detector_id, 0.5, SHAPE)

    async def score_many(self, profile, embeddings):
        self.batches.append(len(embeddings))
        return [self.score_of(profile, one) for one in embeddings]

    async def embed(self, rgb):
        raise AssertionError(rgb)

    def score_of(self, profile, found):
        threshold = THRESHOLDS[profile]
        return Score(self.scores[profile.version, found.values.tobytes()], 50.0, threshold)


class World:
    """A catalogue of images that `landscapes@1` has judged, and what judges them again."""

    def __init__(self, folder, place):
        self.folder = folder
        self.database = Database(place)
        self.store, self.seen, self.models = FolderStore(folder), SeenImages(), FakeModels()
        self.recorder = Recorder(self.database, self.store, self.seen)
        precision = PrecisionCheck(self.models, None)
        inspector = Inspector(self.models, precision, self.seen, lambda _: contextlib.nullcontext())
        self.parts = PipelineParts(
            self.database, self.store, None, inspector, Screen(), self.recorder, self.seen
        )
        self.rejudging = Rejudging(self.parts, self.models, self.fetch_again)
        self.fetched_again = []

    async def fetch_again(self, profile, listing_ids):
        self.fetched_again.append((profile, list(listing_ids)))
        return await self.database.run(
            lambda c: refetches.refetch(c, "again", profile, listing_ids, now=9.0)
        )

    async def judged(
        self, number, first, second=None, *, profile=V1, marked=0.1, precision=Precision.FP32,
        fingerprint=None, embedded=True,
    ):  # fmt: skip
        """An image that was crawled with log-likelihoods under both versions; returns its digest."""
        decoded = decoded_candidate(number, inputs={}, fingerprint=fingerprint)
        values = embedding(number).values
        for version, log_likelihood in ((1, first), (2, first if second is None else second)):
            self.models.scores[version, values.tobytes()] = log_likelihood
        found = Embedding(values, ENCODER_ID, precision) if embedded else None
        threshold = THRESHOLDS[profile]
        passes = first >= threshold
        seen = detection(marked) if passes and marked is not None else None
        scored = Score(first, 50.0, threshold) if embedded else None
        verdict = Verdict.ACCEPTED if passes else Verdict.OFF_PROFILE
        verdict = Verdict.WATERMARKED if seen and marked > 0.5 else verdict
        verdict = verdict if embedded else Verdict.DUPLICATE
        judgement = Judgement(verdict, "then", Evidence(found, scored, seen))
        return await self.record(number, profile, decoded, judgement)

    async def better_copy(self, number, fingerprint):
        """A copy of four times the pixels, with more detail, that passed the gates of the first version."""
        small = decoded_candidate(number, inputs={}, fingerprint=fingerprint)
        decoded = replace(small, width_px=4 * small.width_px)
        found = embedding(number)
        self.models.scores[2, found.values.tobytes()] = 15.0
        scored = Score(15.0, 50.0, THRESHOLDS[V1])
        detail_px = decoded.width_px * decoded.height_px
        evidence = Evidence(found, scored, detection(0.1), detail_px=detail_px)
        judgement = Judgement(Verdict.ACCEPTED, "then", evidence)
        return await self.record(number, V1, decoded, judgement)

    async def record(self, number, profile, decoded, judgement):
        crawl_id, encoded = f"c-{profile}-{number}", f"bytes {number}".encode()
        request = CrawlRequest(crawl_id, ("urls:/a",), profile)
        listing = Listing("urls:/a", f"http://h.example/{number}.jpg", f"No {number}")

        def add(connection):
            crawls.create_crawl(connection, crawl_id, request, now=1.0)
            crawls.set_state(connection, crawl_id, crawls.CrawlState.COMPLETED)
            frontier.add_listings(connection, crawl_id, [listing], now=1.0)
            return frontier.lease(connection, crawl_id, LeaseTerms("me", 2.0, 60.0), limit=1)[0]

        leased = await self.database.run(add)
        digest = hashlib.sha256(encoded).hexdigest()
        outcome = Outcome(OutcomeState.FETCHED, None, "", listing.url, digest, len(encoded), 3.0)
        candidate = Candidate(encoded, digest, decoded)
        finding = Finding(crawl_id, profile, leased, outcome, candidate, judgement, known=False)
        await self.recorder.record(finding)
        return digest

    async def rejudge(self, profile="landscapes", *, dry_run=False):
        """What changes, as (title, action), and the summary."""
        found = [one async for one in self.rejudging.rejudge(profile, dry_run=dry_run)]
        assert isinstance(found[-1], RejudgeSummary)
        return [(one.listing.title, one.action.value) for one in found[:-1]], found[-1]

    async def kept(self, name="landscapes"):
        kept = await self.database.run(lambda c: kept_images.list_kept(c, name))
        return [image.listing.title for image in kept]

    async def verdict(self, digest, profile=V2):
        found = await self.database.run(lambda c: judgements.get_judgement(c, digest, profile))
        return found and found[1].verdict.value

    def everything(self):
        def read(connection):
            return {
                table.name: connection.execute(select(table)).all()
                for table in metadata.sorted_tables
                # It counts commits.
                if table.name != "writers"
            }

        return self.database.run(read)


@pytest.fixture
async def world(tmp_path, place):
    world = World(tmp_path, place)
    yield world
    await world.recorder.close()
    world.database.close()


async def a_bit_of_everything(world):
    """Digests by what becomes of each image under the second version."""
    stored = await world.judged(2, 5.0, profile=SUNSETS)
    await world.record(2, V1, decoded_candidate(2, inputs={}), off_profile(2, 5.0))
    return {
        "stays out": await world.judged(0, -5.0),
        "stays in": await world.judged(1, 15.0),
        "stored": stored,
        "not stored": await world.judged(3, 5.0),
        "drops out": await world.judged(4, 15.0, -5.0),
        "marked": await world.judged(5, 15.0, -5.0, marked=0.9),
    }


def off_profile(number, log_likelihood):
    scored = Score(log_likelihood, 50.0, THRESHOLDS[V1])
    return Judgement(Verdict.OFF_PROFILE, "then", Evidence(embedding(number), scored))


CHANGES = [("No 2", "KEEP"), ("No 3", "FETCH"), ("No 4", "STAYS_KEPT"), ("No 5", "RECORD")]


async def test_a_dry_run_says_what_would_change_and_changes_nothing(world):
    """Newly accepted in the store and not, kept and not accepted, another verdict; nothing is written."""
    await a_bit_of_everything(world)
    before = await world.everything()
    changes, summary = await world.rejudge(dry_run=True)
    assert sorted(changes) == CHANGES
    assert await world.everything() == before
    assert world.fetched_again == []
    assert summary.profile == V2
    assert summary.crawl_id == ""
    assert (summary.known_count, summary.unknown_count) == (0, 0)
    assert summary.verdicts == {Verdict.ACCEPTED: 3, Verdict.OFF_PROFILE: 3}


async def test_what_changes_is_done(world):
    """Kept from the store, leased again, or just recorded: each image has its end under the new version."""
    digests = await a_bit_of_everything(world)
    changes, summary = await world.rejudge()
    assert sorted(changes) == CHANGES
    assert await world.kept() == ["No 2", "No 1", "No 4"]
    assert {name: await world.verdict(digest) for name, digest in digests.items()} == {
        "stays out": "OFF_PROFILE", "stays in": "ACCEPTED", "stored": "ACCEPTED", "not stored": None,
        "drops out": "OFF_PROFILE", "marked": "OFF_PROFILE",
    }  # fmt: skip
    assert summary.crawl_id == "again"
    [(profile, listing_ids)] = world.fetched_again
    leased = await world.database.run(
        lambda c: frontier.lease(c, "again", LeaseTerms("me", 99.0, 60.0), limit=9)
    )
    assert profile == V2
    assert [one.listing_id for one in leased] == listing_ids
    assert [one.listing.title for one in leased] == ["No 3"]
    assert leased[0].outcome.digest == digests["not stored"]


async def test_what_is_kept_from_the_store_is_kept_as_a_crawl_keeps(world):
    """Its readable name is another link to the bytes, its sidecar has the judgement, and no listing is settled."""
    digest = (await a_bit_of_everything(world))["stored"]
    await world.rejudge()
    [image] = [
        one
        for one in await world.database.run(lambda c: kept_images.list_kept(c, "landscapes"))
        if one.digest == digest
    ]
    blob = world.store.path(digest)
    assert (world.folder / "kept" / "landscapes" / image.file_name).samefile(blob)
    assert image.profile == V2
    judged = json.loads(blob.with_suffix(".json").read_text())["judgements"]
    assert set(judged) == {"sunsets@1", "landscapes@2"}
    assert judged["landscapes@2"]["crawl_id"] is None
    assert judged["landscapes@2"]["threshold_nats"] == THRESHOLDS[V2]
    assert judged["landscapes@2"]["watermark_probability"] == 0.1


async def test_again_nothing_is_judged_or_kept_twice(world):
    """Only what is still to be fetched, and what is kept all the same, is told a second time."""
    await a_bit_of_everything(world)
    await world.rejudge()
    before = await world.everything()
    changes, summary = await world.rejudge("landscapes@2")
    assert sorted(changes) == [("No 3", "FETCH"), ("No 4", "STAYS_KEPT")]
    assert summary.known_count == 5
    assert summary.verdicts == {Verdict.ACCEPTED: 1}
    assert summary.crawl_id == "again"
    assert await world.everything() == before


async def test_liked_images_and_near_copies_are_duplicates(world):
    """As in a crawl; the image that is kept is no duplicate of itself, even if somebody likes it now."""
    near = random_fingerprint(1)
    kept = await world.judged(1, 15.0, fingerprint=near)
    copy = await world.judged(2, 5.0, fingerprint=near)
    liked = await world.judged(3, 5.0)
    for number, digest in ((1, kept), (3, liked)):
        world.seen.mark("landscapes", digest, decoded_candidate(number).fingerprint)
    changes, _ = await world.rejudge()
    assert changes == [("No 2", "RECORD"), ("No 3", "RECORD")]
    assert [await world.verdict(one) for one in (kept, copy, liked)] == [
        "ACCEPTED", "DUPLICATE", "DUPLICATE"
    ]  # fmt: skip
    assert await world.kept() == ["No 1"]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_of_near_copies_that_are_newly_accepted_the_first_is_kept(world, dry_run):
    """A dry run says what the real one does."""
    near = random_fingerprint(1)
    for number in (1, 2, 3):
        await world.judged(number, 5.0, fingerprint=near)
        put_bytes(world.store, f"bytes {number}".encode())
    await give_detections(world)
    changes, summary = await world.rejudge(dry_run=dry_run)
    assert changes == [("No 1", "KEEP"), ("No 2", "RECORD"), ("No 3", "RECORD")]
    assert summary.verdicts == {Verdict.ACCEPTED: 1, Verdict.DUPLICATE: 2}
    assert await world.kept() == ([] if dry_run else ["No 1"])


async def give_detections(world, probability=0.1):
    """As if another profile had asked the watermark gate."""

    def write(connection):
        connection.execute(
            update(candidates).values(
                detector_id=DETECTOR_ID,
                watermark_probability=probability,
                quadrant_probabilities="[0, 0, 0, 0]",
            )
        )

    await world.database.run(write)


@pytest.mark.parametrize(("probability", "verdict"), [(0.5, "ACCEPTED"), (0.51, "WATERMARKED")])
async def test_a_recorded_detection_meets_the_threshold_of_today(world, probability, verdict):
    """It is the service's, 0.5; exactly the threshold passes."""
    digest = await world.judged(1, 5.0)
    put_bytes(world.store, b"bytes 1")
    await give_detections(world, probability)
    await world.rejudge()
    assert await world.verdict(digest) == verdict


async def test_what_the_watermark_gate_never_saw_is_fetched(world):
    """Although its bytes are here: what is told has the score, and no watermark probability."""
    digest = await world.judged(1, 5.0)
    put_bytes(world.store, b"bytes 1")
    found = [one async for one in world.rejudging.rejudge("landscapes", dry_run=True)]
    assert found[0].action.value == "FETCH"
    assert found[0].after.verdict is Verdict.ACCEPTED
    assert found[0].after.evidence.score.log_likelihood == 5.0
    assert found[0].after.evidence.detection is None
    assert found[0].before.profile == V1
    assert found[0].digest == digest


async def test_what_is_kept_needs_no_detection_of_todays_detector(world):
    """It was found clean by an earlier one: it is neither fetched again, nor is a judgement made up for it."""
    digest = await world.judged(1, 15.0)
    world.models.detector_id = "f" * 64
    changes, summary = await world.rejudge()
    assert changes == []
    assert summary.verdicts == {Verdict.ACCEPTED: 1}
    assert world.fetched_again == []
    assert await world.verdict(digest) is None


async def test_without_an_embedding_only_duplicates_are_judged(world):
    """An image that was a duplicate has none; one whose precision the profile does not take neither."""
    near = random_fingerprint(1)
    await world.judged(1, 15.0, fingerprint=near)
    await world.judged(2, 0.0, fingerprint=near, embedded=False)
    await world.judged(3, 0.0, embedded=False)
    await world.judged(4, 5.0, precision=Precision.FP16)
    _, summary = await world.rejudge()
    assert summary.verdicts == {Verdict.ACCEPTED: 1, Verdict.DUPLICATE: 1}
    assert (summary.known_count, summary.unknown_count) == (0, 2)
    world.models.findings = (PrecisionFinding(Precision.FP16, 9, 0, 0.0, 0.0, admitted=True),)
    changes, summary = await world.rejudge()
    assert changes == [("No 4", "FETCH")]
    assert (summary.known_count, summary.unknown_count) == (2, 1)


async def test_the_version_before_is_of_the_same_name(world):
    """What another taste said is no verdict before; the newest earlier version's is."""
    await world.judged(1, 15.0, -5.0, profile=SUNSETS)
    found = [one async for one in world.rejudging.rejudge("landscapes@1", dry_run=False)]
    assert (found[0].before, found[0].action.value) == (None, "KEEP")
    found = [one async for one in world.rejudging.rejudge("landscapes@2", dry_run=True)]
    assert found[0].before.profile == V1
    assert found[0].action.value == "STAYS_KEPT"


async def test_what_no_address_has_any_more_is_said(world):
    """The fetch failed since: there is nothing to lease, and nothing is recorded."""
    digest = await world.judged(1, 5.0)
    gone = Outcome(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, "404", "", "", 0, 4.0)
    await world.database.run(lambda c: frontier.record_outcomes(c, {1: gone}))
    found = [one async for one in world.rejudging.rejudge("landscapes", dry_run=False)]
    assert (found[0].listing, found[0].action.value) == (None, "UNREACHABLE")
    assert world.fetched_again == []
    assert await world.verdict(digest) is None


async def test_a_purge_meanwhile_is_respected(world, monkeypatch):
    """Bytes that were purged after the page was read are neither kept nor recorded."""
    digest = await world.judged(1, 5.0, profile=SUNSETS)
    score_many = world.models.score_many

    async def purge_and_score(profile, embeddings):
        world.seen.forbid(digest)
        return await score_many(profile, embeddings)

    monkeypatch.setattr(world.models, "score_many", purge_and_score)
    changes, summary = await world.rejudge()
    assert changes == []
    assert summary.verdicts == {}
    assert await world.kept() == []


async def test_a_candidate_that_is_gone_is_not_recorded(world):
    """A purge between reading and recording takes the candidate with it."""
    there = await world.judged(1, -5.0)
    judged = {one: off_profile(1, -5.0) for one in (there, "f" * 64)}
    await world.database.run(lambda c: late_judgements.record_judgements(c, V2, judged, now=1.0))
    assert await world.verdict(there) == "OFF_PROFILE"
    assert await world.verdict("f" * 64) is None


async def test_after_a_crash_the_rest_is_done(world, monkeypatch):
    """Whatever step it dies in, calling again ends with everything kept once and nothing lost."""
    for number in range(6):
        await world.judged(number, 5.0, profile=SUNSETS)
    for number in range(6, 9):
        await world.judged(number, 5.0)
    record, left = world.recorder.record, 3

    async def dying(finding):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        await record(finding)

    with monkeypatch.context() as patched:
        patched.setattr(world.recorder, "record", dying)
        with pytest.raises(KeyboardInterrupt):
            await world.rejudge()
    assert len(await world.kept()) == 3
    with monkeypatch.context() as patched:

        async def broken(*_):
            raise KeyboardInterrupt

        patched.setattr(world.rejudging, "_fetch_again", broken)
        with pytest.raises(KeyboardInterrupt):
            await world.rejudge()
    changes, summary = await world.rejudge()
    assert changes == [(f"No {number}", "FETCH") for number in (6, 7, 8)]
    assert summary.known_count == 6
    assert await world.kept() == [f"No {number}" for number in range(6)]
    names = list((world.folder / "kept" / "landscapes").iterdir())
    assert len(names) == 6
    crawl = await world.database.run(lambda c: crawls.get_crawl(c, "again"))
    assert crawl.found_count == 3


async def test_many_are_judged_a_page_at_a_time(world, monkeypatch):
    """In the order in which they were found, each once; a page's embeddings are scored together."""
    monkeypatch.setattr(rejudging, "_PAGE", 4)
    for number in range(10):
        await world.judged(number, 5.0 if number % 2 else -5.0)
    changes, summary = await world.rejudge()
    assert changes == [(f"No {number}", "FETCH") for number in range(1, 10, 2)]
    assert world.models.batches == [4, 4, 2]
    assert summary.verdicts == {Verdict.ACCEPTED: 5, Verdict.OFF_PROFILE: 5}


async def test_what_the_profile_cannot_judge_is_refused(world):
    """A profile of another encoder than the one that is served, and one that is not there."""
    await world.judged(1, 5.0)
    world.models.encoder_id = "f" * 64
    with pytest.raises(OtherEncoder):
        await world.rejudge()
    with pytest.raises(NotFound):
        await world.rejudge("nobody")


async def test_what_a_better_copy_replaced_meanwhile_is_not_accepted(world, monkeypatch):
    """Between reading and recording: it is a duplicate of what has its place, and is told so."""
    same = random_fingerprint(1)
    digest = await world.judged(1, 15.0, fingerprint=same)
    score_many = world.models.score_many
    better = []

    async def replace_and_score(profile, embeddings):
        if not better:
            better.append(await world.better_copy(2, same))
        return await score_many(profile, embeddings)

    monkeypatch.setattr(world.models, "score_many", replace_and_score)
    changes, summary = await world.rejudge()
    assert await world.kept() == ["No 2"]
    assert await world.verdict(digest, V1) == "REPLACED"
    _, judged = await world.database.run(lambda c: judgements.get_judgement(c, digest, V2))
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, better[0])
    assert await world.verdict(better[0]) == "ACCEPTED"
    assert changes == [("No 1", "RECORD")]
    assert summary.verdicts == {Verdict.DUPLICATE: 1, Verdict.ACCEPTED: 1}
