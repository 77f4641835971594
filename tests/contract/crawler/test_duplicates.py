"""What images would be duplicates of, over the wire: a real crawler over a catalogue with kept images."""

from __future__ import annotations

import hashlib

import grpc
import numpy as np
import pytest

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1 import duplicate_image_pb2, kept_image_pb2
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1.image_pb2 import Image, Pixels
from lodestone.image.v1.rejection_pb2 import RejectionCode
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
from services.crawler.seen.perceptual_hash import fingerprint
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from tests.crawler.pictures import encode, resized, scene
from tests.crawler.subjects import accepted, decoded_candidate
from tests.fakes.colour_services import ColourServices
from tests.fakes.serving import serving, settings_for_tests

PROFILE = ProfileVersion("landscapes", 1)
SCENES = [scene(seed) for seed in range(3)]
FLAT = np.full((600, 800, 3), 90, np.uint8)
PICTURES = [*(encode(rgb, quality=90) for rgb in SCENES[:2]), encode(FLAT, quality=90)]
DIGESTS = [hashlib.sha256(encoded).hexdigest() for encoded in PICTURES]


async def keep_images(data):
    """Two scenes and a flat picture, kept in a data folder that no crawler has open."""
    database, store = Database(data / "catalog.sqlite"), FolderStore(data)
    recorder = Recorder(database, store, SeenImages())

    def begin(connection):
        crawls.create_crawl(connection, "c1", CrawlRequest("r1", ("folder:/a",), PROFILE), now=1.0)
        crawls.set_state(connection, "c1", crawls.CrawlState.COMPLETED)
        found = [Listing("folder:/a", f"file:///a/{n}.jpg", f"No {n}") for n in range(3)]
        frontier.add_listings(connection, "c1", found, now=1.0)
        return frontier.lease(connection, "c1", LeaseTerms("me", 2.0, 60.0), limit=3)

    shown = zip(await database.run(begin), PICTURES, [*SCENES[:2], FLAT], strict=True)
    for leased, encoded, rgb in shown:
        digest = hashlib.sha256(encoded).hexdigest()
        outcome = Outcome(OutcomeState.FETCHED, None, "", leased.listing.url, digest, 7, 3.0)
        decoded = decoded_candidate(0, fingerprint=fingerprint(rgb)[0])
        finding = Finding(
            "c1", PROFILE, leased, outcome, Candidate(encoded, digest, decoded), accepted(), False
        )
        await recorder.record(finding)
    await recorder.close()
    database.close()


@pytest.fixture
async def stub(tmp_path, monkeypatch):
    await keep_images(tmp_path)
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    with ColourServices() as fakes:
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        settings = settings_for_tests(CrawlerSettings, min_pixels=0, decoders=1)
        async with serving(await build(settings), settings) as channel:
            yield CrawlerServiceStub(channel)


async def find(stub, image):
    if isinstance(image, np.ndarray):
        height_px, width_px, _ = image.shape
        pixels = Pixels(height_px=height_px, width_px=width_px, rgb=image.tobytes())
        message = Image(pixels=pixels)
    else:
        message = Image(encoded=image)
    return await stub.FindDuplicates(pb.FindDuplicatesRequest(image=message))


async def test_a_copy_names_the_kept_image_and_how_near_it_is(stub):
    """Another size of a kept scene: which image, the distances, and where that one came from."""
    copy = encode(resized(SCENES[1], 500, 375), quality=70)
    report = (await find(stub, copy)).value
    assert report.digest == hashlib.sha256(copy).hexdigest()
    assert (report.width_px, report.height_px, report.flat) == (500, 375, False)
    assert len(report.perceptual_hash) == 16
    [duplicate] = report.duplicates
    assert duplicate.digest == DIGESTS[1]
    assert duplicate.memory == duplicate_image_pb2.DUPLICATE_MEMORY_KEPT
    assert 0 <= duplicate.distance_64 <= 8
    assert 0 < duplicate.distance_256 <= 60
    assert not duplicate.mirrored
    [kept] = duplicate.kept_images
    assert kept.listing.url == "file:///a/1.jpg"
    assert kept.judgement.profile_name == "landscapes"
    assert kept.file_state == kept_image_pb2.FILE_STATE_PRESENT


async def test_mirror_images_strangers_and_pixels(stub):
    """The mirror image says so, a stranger is near to nothing, and pixels have no digest."""
    mirrored = (await find(stub, np.ascontiguousarray(SCENES[0][:, ::-1]))).value
    assert mirrored.digest == ""
    [duplicate] = mirrored.duplicates
    assert (duplicate.digest, duplicate.mirrored) == (DIGESTS[0], True)
    stranger = (await find(stub, encode(SCENES[2]))).value
    assert not stranger.flat
    assert list(stranger.duplicates) == []


async def test_a_flat_picture_is_a_duplicate_of_its_own_bytes_alone(stub):
    """They are found in the catalogue; a re-compressed copy is near to nothing."""
    same = (await find(stub, PICTURES[2])).value
    assert same.flat
    [duplicate] = same.duplicates
    assert (duplicate.digest, duplicate.distance_64, duplicate.distance_256) == (DIGESTS[2], 0, 0)
    assert duplicate.kept_images[0].listing.url == "file:///a/2.jpg"
    assert list((await find(stub, encode(FLAT, quality=50))).value.duplicates) == []


async def test_purged_and_marked_images_are_named_too(stub):
    """A purged image has no files any more; a marked one is under its profile's name."""
    [_] = [one async for one in stub.PurgeImages(pb.PurgeImagesRequest(digests=[DIGESTS[0]]))]
    liked = encode(resized(SCENES[0], 600, 450))
    seen = pb.MarkImagesSeenRequest(profile_name="colours", image=Image(encoded=liked))
    await stub.MarkImagesSeen(iter([seen]))
    purged, marked = (await find(stub, liked)).value.duplicates
    assert purged.memory == duplicate_image_pb2.DUPLICATE_MEMORY_PURGED
    assert (purged.digest, list(purged.kept_images)) == (DIGESTS[0], [])
    assert marked.memory == duplicate_image_pb2.DUPLICATE_MEMORY_MARKED
    assert marked.profile_name == "colours"
    assert marked.digest == hashlib.sha256(liked).hexdigest()
    assert (marked.distance_64, marked.distance_256) == (0, 0)


async def test_what_cannot_be_read_is_a_rejection(stub):
    """Text is no image, nothing at all neither; the call is right."""
    for image in (Image(encoded=b"no image"), Image()):
        answer = await stub.FindDuplicates(pb.FindDuplicatesRequest(image=image))
        assert answer.rejection.code == RejectionCode.Value("REJECTION_CODE_UNSUPPORTED_FORMAT")


async def test_looking_up_stores_nothing(stub, tmp_path):
    """A stranger that was looked up is still one."""
    for _ in range(2):
        assert list((await find(stub, encode(SCENES[2]))).value.duplicates) == []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetImage(
            pb.GetImageRequest(digest=hashlib.sha256(encode(SCENES[2])).hexdigest())
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
