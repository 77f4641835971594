"""RejudgeImages over the wire: a real crawler, catalogue and novelty service; embedder and detector are fakes."""

from __future__ import annotations

import hashlib

import grpc
import numpy as np
import pytest

from lodestone.crawler.v1 import crawl_pb2, kept_image_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1 import verdict_pb2
from services.crawler.__main__ import build
from services.crawler.candidate import Candidate
from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.config import CrawlerSettings
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Score, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.servicekit.embedding import Embedding, Precision
from tests.cli.fake_services import FakeServices
from tests.contract.novelty.calls import fit, liked, messages
from tests.crawler.subjects import ENCODER_ID, decoded_candidate, detection
from tests.fakes.serving import serving, settings_for_tests
from tests.novelty.tastes import unit_rows

V1, SUNSETS = ProfileVersion("landscapes", 1), ProfileVersion("sunsets", 1)
KEEP = kept_image_pb2.REJUDGE_ACTION_KEEP
FETCH = kept_image_pb2.REJUDGE_ACTION_FETCH
UNREACHABLE = kept_image_pb2.REJUDGE_ACTION_UNREACHABLE
# Like the liked ones are the first two; the others are far from everything.
ROWS = np.concatenate([unit_rows(2, seed=7), unit_rows(2, seed=7, centre=9)])


async def fill(data):
    """Four images that `landscapes@1` did not accept; `sunsets` keeps the first and the third."""
    database, store = Database(data / "catalog.sqlite"), FolderStore(data)
    recorder = Recorder(database, store, SeenImages())
    for profile, numbers in ((V1, range(4)), (SUNSETS, (0, 2))):
        for leased, number in zip(await lease(database, profile, numbers), numbers, strict=True):
            encoded = f"bytes {number}".encode()
            digest = hashlib.sha256(encoded).hexdigest()
            outcome = Outcome(OutcomeState.FETCHED, None, "", leased.listing.url, digest, 7, 3.0)
            found = Embedding(ROWS[number], ENCODER_ID, Precision.FP32)
            accepted = profile is SUNSETS
            seen = detection() if accepted else None
            judgement = Judgement(
                Verdict.ACCEPTED if accepted else Verdict.OFF_PROFILE,
                "then",
                Evidence(found, Score(-1.0, 1.0, 99.0), seen),
            )
            candidate = Candidate(encoded, digest, decoded_candidate(number))
            crawl_id = f"c-{profile.name}"
            finding = Finding(crawl_id, profile, leased, outcome, candidate, judgement, known=False)
            await recorder.record(finding)
    await recorder.close()
    database.close()


def lease(database, profile, numbers):
    def begin(connection):
        crawl_id = f"c-{profile.name}"
        request = CrawlRequest(crawl_id, ("folder:/nowhere",), profile)
        crawls.create_crawl(connection, crawl_id, request, now=1.0)
        crawls.set_state(connection, crawl_id, crawls.CrawlState.COMPLETED)
        found = [
            Listing("folder:/nowhere", f"file:///nowhere/{number}.jpg", f"No {number}")
            for number in numbers
        ]
        frontier.add_listings(connection, crawl_id, found, now=1.0)
        return frontier.lease(connection, crawl_id, LeaseTerms("me", 2.0, 60.0), limit=9)

    return database.run(begin)


@pytest.fixture
async def stub(tmp_path, monkeypatch, novelty):
    await fit_twice(novelty)
    await fill(tmp_path / "data")
    with FakeServices() as fakes:
        for name in ("EMBEDDER", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        settings = settings_for_tests(CrawlerSettings)
        async with serving(await build(settings), settings) as channel:
            yield CrawlerServiceStub(channel)


async def fit_twice(novelty):
    """A version that nothing passes, and one by the default threshold."""
    photos = liked(messages(unit_rows(40), encoder_id=ENCODER_ID))
    await fit(novelty, photos, request_id="strict", threshold_nats=1e9)
    await fit(novelty, photos, request_id="looser", keep_ratio=0.99)


async def rejudge(stub, *, dry_run=False, profile="landscapes"):
    request = pb.RejudgeImagesRequest(profile=profile, dry_run=dry_run)
    events = [answer async for answer in stub.RejudgeImages(request)]
    assert [event.WhichOneof("event") for event in events[:-1]] == ["image"] * (len(events) - 1)
    return [event.image for event in events[:-1]], events[-1].summary


async def kept(stub, name="landscapes"):
    request = pb.ListImagesRequest(profile_name=name)
    return [answer.image async for answer in stub.ListImages(request)]


async def ended(stub, crawl_id):
    """The crawl, once it has ended, and what it settled."""
    settled, crawl = [], None
    async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=crawl_id)):
        if event.HasField("crawl"):
            crawl = event.crawl
        else:
            settled.append(event.settled_listing)
    return crawl, settled


async def test_a_dry_run_tells_and_changes_nothing(stub):
    """Each change with its listing, its judgements and what would be done; the counts at the end."""
    images, summary = await rejudge(stub, dry_run=True)
    assert [(one.listing.title, one.action) for one in images] == [("No 0", KEEP), ("No 1", FETCH)]
    first = images[0]
    assert first.digest == hashlib.sha256(b"bytes 0").hexdigest()
    assert (first.before.profile_name, first.before.profile_version) == ("landscapes", 1)
    assert first.before.verdict == verdict_pb2.VERDICT_OFF_PROFILE
    assert first.before.log_likelihood == -1.0
    assert (first.after.profile_name, first.after.profile_version) == ("landscapes", 2)
    assert first.after.verdict == verdict_pb2.VERDICT_ACCEPTED
    assert first.after.percentile > 1.0
    assert first.after.watermark_probability == 0.1
    assert not images[1].after.HasField("watermark_probability")
    assert (summary.profile_name, summary.profile_version) == ("landscapes", 2)
    assert (summary.judged_count, summary.known_count, summary.unknown_count) == (4, 0, 0)
    assert (summary.kept_count, summary.fetch_count, summary.dropped_count) == (1, 1, 0)
    counts = {one.verdict: one.count for one in summary.verdict_counts}
    assert counts == {verdict_pb2.VERDICT_ACCEPTED: 2, verdict_pb2.VERDICT_OFF_PROFILE: 2}
    assert summary.crawl_id == ""
    assert await kept(stub) == []


async def test_it_keeps_and_leases_again(stub):
    """From the store at once; the other by a crawl without sources, whose file is gone: then it is unreachable."""
    images, summary = await rejudge(stub)
    assert [one.action for one in images] == [KEEP, FETCH]
    [image] = await kept(stub)
    assert image.listing.title == "No 0"
    assert image.judgement.profile_version == 2
    crawl, settled = await ended(stub, summary.crawl_id)
    assert list(crawl.sources) == []
    assert (crawl.profile_name, crawl.profile_version) == ("landscapes", 2)
    assert (crawl.progress.found_count, crawl.state) == (1, crawl_pb2.CRAWL_STATE_COMPLETED)
    [listing] = settled
    assert listing.listing.title == "No 1"
    assert listing.listing.source == "folder:/nowhere"
    images, summary = await rejudge(stub)
    assert [one.action for one in images] == [UNREACHABLE]
    assert not images[0].HasField("listing")
    assert (summary.judged_count, summary.known_count, summary.crawl_id) == (1, 3, "")
    assert len(await kept(stub)) == 1


async def test_a_profile_that_is_not_there(stub):
    """NOT_FOUND before anything is sent."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rejudge(stub, profile="nobody")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "there is no profile 'nobody'"
