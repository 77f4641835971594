"""ListImages over the wire: a real crawler, a novelty service that is a fake."""

from __future__ import annotations

import hashlib

import grpc
import pytest

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1 import kept_image_pb2
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32
from lodestone.novelty.v1.profile_pb2 import Profile
from services.crawler.__main__ import build
from services.crawler.blob_store import BlobStore
from services.crawler.candidate import Candidate
from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.config import CrawlerSettings
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.recorder import Finding, Recorder
from services.crawler.seen_images import SeenImages
from tests.cli.fake_services import FakeServices
from tests.crawler.subjects import accepted, decoded_candidate
from tests.fakes.serving import serving, settings_for_tests

PROFILE = ProfileVersion("landscapes", 1)
COUNT = 3


async def keep_images(data):
    """Three kept images of `landscapes` in a data folder that no crawler has open."""
    database, store = Database(data / "catalog.sqlite"), BlobStore(data)
    recorder = Recorder(database, store, SeenImages())

    def begin(connection):
        request = CrawlRequest("r1", ("folder:/a",), PROFILE)
        crawls.create_crawl(connection, "c1", request, now=1.0)
        crawls.set_state(connection, "c1", crawls.CrawlState.COMPLETED)
        found = [Listing("folder:/a", f"file:///a/{n}.jpg", f"No {n}") for n in range(COUNT)]
        frontier.add_listings(connection, "c1", found, now=1.0)
        return frontier.lease(connection, "c1", LeaseTerms("me", 2.0, 60.0), limit=COUNT)

    for number, leased in enumerate(await database.run(begin)):
        encoded = f"bytes {number}".encode()
        digest = hashlib.sha256(encoded).hexdigest()
        outcome = Outcome(OutcomeState.FETCHED, None, "", leased.listing.url, digest, 7, 3.0)
        candidate = Candidate(encoded, digest, decoded_candidate(number))
        await recorder.record(Finding("c1", PROFILE, leased, outcome, candidate, accepted(), False))
    await recorder.close()
    database.close()


@pytest.fixture
async def stub(tmp_path, monkeypatch):
    await keep_images(tmp_path)
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    with FakeServices() as fakes:
        fakes.novelty._profiles["sunsets"] = [
            Profile(name="sunsets", version=1, encoder_id="e" * 64, precision=PRECISION_FP32)
        ]
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        settings = settings_for_tests(CrawlerSettings)
        async with serving(await build(settings), settings) as channel:
            yield CrawlerServiceStub(channel)


async def images(stub, profile_name=""):
    request = pb.ListImagesRequest(profile_name=profile_name)
    return [answer.image async for answer in stub.ListImages(request)]


async def test_files_that_people_remove_and_disks_lose(stub, tmp_path):
    """The state is that of the moment of asking, and asking brings nothing back."""
    first, second, third = await images(stub)
    assert {one.file_state for one in (first, second, third)} == {kept_image_pb2.FILE_STATE_PRESENT}
    removed = tmp_path / "kept" / "landscapes" / second.file_name
    removed.unlink()
    (tmp_path / "blobs" / third.digest[:2] / third.digest).unlink()
    assert [one.file_state for one in await images(stub, "landscapes")] == [
        kept_image_pb2.FILE_STATE_PRESENT,
        kept_image_pb2.FILE_STATE_REMOVED,
        kept_image_pb2.FILE_STATE_LOST,
    ]
    assert not removed.exists()


async def test_a_profile_that_kept_nothing_is_empty(stub):
    """It is there: no error."""
    assert await images(stub, "sunsets") == []


async def test_a_profile_that_is_gone_still_shows_what_it_kept(stub):
    """The novelty service does not know it; its images are there."""
    assert len(await images(stub, "landscapes")) == COUNT


async def test_an_unknown_profile_is_not_found(stub):
    """Neither the novelty service nor the kept images know the name."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await images(stub, "nope")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "there is no profile 'nope'"


async def test_proposals_for_an_unknown_profile_are_not_found(stub):
    """A profile that is there and led to nothing has no proposals; one that is not there is an error."""
    answer = await stub.DiscoverSources(pb.DiscoverSourcesRequest(profile_name="sunsets"))
    assert list(answer.proposals) == []
    assert list((await stub.DiscoverSources(pb.DiscoverSourcesRequest())).proposals) == []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.DiscoverSources(pb.DiscoverSourcesRequest(profile_name="nosuch"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "there is no profile 'nosuch'"


async def test_kinds_tell_that_no_contact_is_set(stub):
    """The crawler's settings have none: kinds that ask the web say so, local ones are ready."""
    answer = await stub.ListSourceKinds(pb.ListSourceKindsRequest())
    obstacles = {kind.word: kind.obstacle for kind in answer.source_kinds}
    assert "--contact" in obstacles["commons"]
    assert obstacles["folder"] == ""


async def test_a_crawl_tells_the_screens_limits(stub):
    """GetCrawl has the limits that the crawler was started with."""
    answer = await stub.GetCrawl(pb.GetCrawlRequest(crawl_id="c1"))
    assert answer.crawl.screen_limits.min_pixels == 1280 * 1024
    assert answer.crawl.screen_limits.max_width_ratio == 3.0
