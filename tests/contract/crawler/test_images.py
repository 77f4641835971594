"""Kept images over the wire: a real crawler, a novelty service that is a fake."""

from __future__ import annotations

import hashlib
import os

import grpc
import pytest

from lodestone.client import connect
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1 import kept_image_pb2
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32
from lodestone.novelty.v1.profile_pb2 import Profile
from services.crawler.__main__ import build
from services.crawler.candidate import Candidate
from services.crawler.catalogue import crawls, frontier
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
from services.servicekit.messages import embedding_to_message
from services.servicekit.server import ServiceServer
from tests.cli.fake_services import FakeServices
from tests.contract.refusal import refusal
from tests.crawler.subjects import accepted, decoded_candidate, embedding
from tests.fakes.serving import settings_for_tests

PROFILE = ProfileVersion("landscapes", 1)
COUNT = 3


async def keep_images(data):
    """Three kept images of `landscapes` in a data folder that no crawler has open."""
    database, store = Database(data / "catalog.sqlite"), FolderStore(data)
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
        server = ServiceServer(await build(settings), settings)
        await server.start()
        async with connect(f"127.0.0.1:{server.port}") as channel:
            yield CrawlerServiceStub(channel)
        await server.stop()


async def images(stub, profile_name="", **choice):
    request = pb.ListImagesRequest(profile_name=profile_name, **choice)
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


async def test_the_newest_images(stub):
    """So many of the last ones, oldest first; more than there are is all of them."""
    everything = [image.digest for image in await images(stub)]
    assert [image.digest for image in await images(stub, newest=2)] == everything[1:]
    assert [image.digest for image in await images(stub, "landscapes", newest=1)] == everything[2:]
    assert [image.digest for image in await images(stub, newest=99)] == everything
    code, details = await refusal(images(stub, newest=-1))
    assert (code, details) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "newest must not be negative",
    )


async def test_pages_leave_nothing_out(stub, monkeypatch):
    """With pages of two the list is the same, with and without a limit."""
    everything = [image.digest for image in await images(stub)]
    monkeypatch.setattr("services.crawler.rpc.image_servicer._PAGE", 2)
    assert [image.digest for image in await images(stub)] == everything
    assert [image.digest for image in await images(stub, newest=3)] == everything


async def test_embeddings_are_sent_if_wanted(stub):
    """As they were recorded, encoder id and precision included."""
    plain = [answer async for answer in stub.ListImages(pb.ListImagesRequest())]
    assert not any(answer.HasField("embedding") for answer in plain)
    request = pb.ListImagesRequest(with_embeddings=True)
    found = [answer.embedding async for answer in stub.ListImages(request)]
    assert found == [embedding_to_message(embedding())] * COUNT


async def test_one_image_with_its_embedding_and_bytes(stub):
    """By its digest or the beginning of it: what the list says of it, and its bytes if wanted."""
    _, image, _ = await images(stub)
    for digest in (image.digest, image.digest[:8]):
        answer = await stub.GetImage(pb.GetImageRequest(digest=digest))
        assert list(answer.images) == [image]
        assert answer.embedding == embedding_to_message(embedding())
        assert answer.encoded == b""
    full = await stub.GetImage(pb.GetImageRequest(digest=image.digest, with_encoded=True))
    assert hashlib.sha256(full.encoded).hexdigest() == image.digest


async def test_bytes_that_are_lost_are_empty(stub, tmp_path):
    """The state says so, and the facts are there."""
    image, _, _ = await images(stub)
    (tmp_path / "blobs" / image.digest[:2] / image.digest).unlink()
    answer = await stub.GetImage(pb.GetImageRequest(digest=image.digest, with_encoded=True))
    assert answer.images[0].file_state == kept_image_pb2.FILE_STATE_LOST
    assert answer.encoded == b""


async def test_bytes_over_the_message_limit_are_not_sent(stub, tmp_path):
    """A file of 63 MiB and a byte is refused with its size; 63 MiB fit into a message of 64."""
    image, _, _ = await images(stub)
    blob = tmp_path / "blobs" / image.digest[:2] / image.digest
    blob.unlink()
    blob.touch()
    os.truncate(blob, 63 * 1024 * 1024 + 1)
    request = pb.GetImageRequest(digest=image.digest, with_encoded=True)
    code, details = await refusal(stub.GetImage(request))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "has 66,060,289 bytes, and at most 66,060,288 are sent" in details
    os.truncate(blob, 63 * 1024 * 1024)
    assert len((await stub.GetImage(request)).encoded) == 63 * 1024 * 1024
    assert (await stub.GetImage(pb.GetImageRequest(digest=image.digest))).images


@pytest.mark.parametrize("digest", ["", "abcdef0", "ABCDEF01", "0" * 65, "../../../etc/passwd"])
async def test_what_is_no_digest(stub, digest):
    """Too short, too long or no hex digits: refused before anything is looked for."""
    code, details = await refusal(stub.GetImage(pb.GetImageRequest(digest=digest)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "8 to 64 hex digits" in details


async def test_an_image_that_is_not_kept(stub):
    """NOT_FOUND names the digest."""
    found = await refusal(stub.GetImage(pb.GetImageRequest(digest="0" * 64)))
    assert found == (grpc.StatusCode.NOT_FOUND, f"there is no kept image '{'0' * 64}'")
