"""Better copies over the wire: a real crawler, decoder and store, with model services that judge by colour."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import asynccontextmanager, closing

import grpc
import numpy as np
import pytest
from PIL import Image as PillowImage

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1 import duplicate_image_pb2
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1 import verdict_pb2
from lodestone.image.v1.image_pb2 import Image
from services.crawler.__main__ import build
from services.crawler.config import CrawlerSettings
from services.crawler.verifying.opening import CheckedPlaces
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.contract.crawler.mined import BLUE, GREEN, RED
from tests.crawler.pictures import encode, resized, scene
from tests.fakes.colour_services import ColourServices
from tests.fakes.serving import serving, settings_for_tests

ORIGINALS = [
    (scene(seed, width_px=640, height_px=480) * np.array(tint)).astype(np.uint8)
    for seed, tint in enumerate((RED, GREEN, BLUE))
]
SMALL = [encode(resized(rgb, 320, 240), "PNG") for rgb in ORIGINALS]
LARGE = [encode(rgb, quality=92) for rgb in ORIGINALS]


def enlarged(encoded_small):
    small = PillowImage.fromarray(resized(encoded_small, 320, 240))
    return encode(np.asarray(small.resize((640, 480), PillowImage.Resampling.BICUBIC)), "PNG")


def digest_of(encoded):
    return hashlib.sha256(encoded).hexdigest()


@asynccontextmanager
async def crawler(data, monkeypatch, **chosen):
    monkeypatch.setenv("LODESTONE_DATA", str(data))
    with ColourServices() as fakes:
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        options = {"min_pixels": 0, "decoders": 1, "workers": 2, **chosen}
        settings = settings_for_tests(CrawlerSettings, **options)
        async with serving(await build(settings), settings) as channel:
            yield CrawlerServiceStub(channel)


async def crawl(stub, folder, pictures):
    """Crawls a folder of these pictures; returns what is said of each, and the counts in the end."""
    folder.mkdir()
    for place, encoded in enumerate(pictures):
        (folder / f"{place}.img").with_suffix(_suffix(encoded)).write_bytes(encoded)
    request = pb.CreateCrawlRequest(
        request_id=folder.name, sources=[f"folder:{folder}"], profile="colours"
    )
    crawl_id = (await stub.CreateCrawl(request)).crawl.crawl_id
    said = {}
    async with asyncio.timeout(60):
        async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=crawl_id)):
            if event.HasField("settled_listing"):
                judgement = event.settled_listing.judgement
                said[judgement.digest] = judgement
    counts = (await stub.GetCrawl(pb.GetCrawlRequest(crawl_id=crawl_id))).crawl.progress
    return crawl_id, said, counts


def _suffix(encoded):
    return ".png" if encoded.startswith(b"\x89PNG") else ".jpg"


async def kept(stub):
    return [one.image.digest async for one in stub.ListImages(pb.ListImagesRequest())]


def problems(data):
    places = CheckedPlaces(CrawlerSettings(data=data))
    with closing(places.open_catalogue()) as catalogue:
        check = Verification(
            catalogue, places.open_files(catalogue), CheckTerms(time.time(), 0.0), threads=2
        )
        return [(one.kind.value, one.message) for one in check.check(lambda _: None)]


async def test_a_larger_original_takes_the_place_of_its_copy(tmp_path, monkeypatch):
    """It passes every gate itself; the first crawl counts what it had accepted as replaced; enlargements are none."""
    data = tmp_path / "data"
    async with crawler(data, monkeypatch) as stub:
        first, _, counts = await crawl(stub, tmp_path / "small", SMALL)
        assert verdicts(counts) == {verdict_pb2.VERDICT_ACCEPTED: 3}
        large = [*LARGE[:2], enlarged(ORIGINALS[2])]
        _, said, counts = await crawl(stub, tmp_path / "large", large)
        assert verdicts(counts) == {
            verdict_pb2.VERDICT_ACCEPTED: 2,
            verdict_pb2.VERDICT_DUPLICATE: 1,
        }
        assert f"a better copy of {digest_of(SMALL[0])[:12]}" in said[digest_of(LARGE[0])].reason
        assert said[digest_of(large[2])].reason.endswith("and no more detail")
        assert sorted(await kept(stub)) == sorted(map(digest_of, [*LARGE[:2], SMALL[2]]))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetImage(pb.GetImageRequest(digest=digest_of(SMALL[0])))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        report = await stub.FindDuplicates(pb.FindDuplicatesRequest(image=Image(encoded=SMALL[0])))
        memories = {one.digest: one.memory for one in report.value.duplicates}
        assert memories == {
            digest_of(SMALL[0]): duplicate_image_pb2.DUPLICATE_MEMORY_REPLACED,
            digest_of(LARGE[0]): duplicate_image_pb2.DUPLICATE_MEMORY_KEPT,
        }
        progress = (await stub.GetCrawl(pb.GetCrawlRequest(crawl_id=first))).crawl.progress
        assert verdicts(progress) == {
            verdict_pb2.VERDICT_ACCEPTED: 1,
            verdict_pb2.VERDICT_REPLACED: 2,
        }
        # The same bytes at another address: what is known of them stands.
        _, said, _ = await crawl(stub, tmp_path / "again", [SMALL[0]])
        again = said[digest_of(SMALL[0])]
        assert again.verdict == verdict_pb2.VERDICT_REPLACED
        assert again.duplicate_of_digest == digest_of(LARGE[0])
    assert await asyncio.to_thread(problems, data) == []
    assert len(list((data / "kept" / "colours").iterdir())) == 3


async def test_the_setting_turns_it_off(tmp_path, monkeypatch):
    """The first one is kept, as before."""
    async with crawler(tmp_path / "data", monkeypatch, keep_better=False) as stub:
        await crawl(stub, tmp_path / "small", SMALL[:1])
        _, said, _ = await crawl(stub, tmp_path / "large", LARGE[:1])
        assert said[digest_of(LARGE[0])].verdict == verdict_pb2.VERDICT_DUPLICATE
        assert await kept(stub) == [digest_of(SMALL[0])]


async def test_a_better_copy_that_fails_a_gate_replaces_nothing(tmp_path, monkeypatch):
    """It gets that gate's verdict: the profile does not like it in grey, which its hashes do not tell."""
    grey = np.repeat(ORIGINALS[0].max(axis=2, keepdims=True), 3, axis=2)
    async with crawler(tmp_path / "data", monkeypatch) as stub:
        await crawl(stub, tmp_path / "small", SMALL[:1])
        picture = encode(grey, "PNG")
        _, said, _ = await crawl(stub, tmp_path / "large", [picture])
        assert said[digest_of(picture)].verdict == verdict_pb2.VERDICT_OFF_PROFILE
        assert await kept(stub) == [digest_of(SMALL[0])]


def verdicts(progress):
    return {one.verdict: one.count for one in progress.verdict_counts}


async def watched(stub, crawl_id):
    """Waits until a crawl has ended; returns what it said of each image."""
    said = {}
    async with asyncio.timeout(60):
        async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=crawl_id)):
            if event.HasField("settled_listing"):
                judgement = event.settled_listing.judgement
                said[judgement.digest] = judgement.verdict
    return said


async def test_two_images_that_are_no_duplicates(tmp_path, monkeypatch):
    """The rejected one is fetched again and kept; that is listed, and not taken back while both are kept."""
    data, small = tmp_path / "data", SMALL[0]
    near = encode(resized(ORIGINALS[0], 400, 300), quality=80)
    async with crawler(data, monkeypatch) as stub:
        await crawl(stub, tmp_path / "small", [small])
        await crawl(stub, tmp_path / "near", [near])
        pair = pb.CreateDistinctPairRequest(
            first_digest=digest_of(near), second_digest=digest_of(small)
        )
        made = await stub.CreateDistinctPair(pair)
        assert made.near
        [crawl_id] = made.crawl_ids
        assert await watched(stub, crawl_id) == {digest_of(near): verdict_pb2.VERDICT_ACCEPTED}
        assert await kept(stub) == [digest_of(small), digest_of(near)]
        again = await stub.CreateDistinctPair(pair)
        assert (again.pair, list(again.crawl_ids)) == (made.pair, [])
        listed = [one.pair async for one in stub.ListDistinctPairs(pb.ListDistinctPairsRequest())]
        assert listed == [made.pair]
        assert made.pair.first_digest < made.pair.second_digest
        back = pb.DeleteDistinctPairRequest(
            first_digest=digest_of(small), second_digest=digest_of(near)
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.DeleteDistinctPair(back)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert await asyncio.to_thread(problems, data) == []


async def test_the_middle_of_three_copies_comes_back(tmp_path, monkeypatch):
    """Beside the copy that had its place, once they are called distinct; what it had replaced is not against it."""
    data = tmp_path / "data"
    least = encode(resized(ORIGINALS[1], 208, 156), "PNG")
    copies = least, SMALL[1], LARGE[1]
    async with crawler(data, monkeypatch) as stub:
        for place, picture in enumerate(copies):
            await crawl(stub, tmp_path / f"copy-{place}", [picture])
            assert await kept(stub) == [digest_of(picture)]
        pair = {"first_digest": digest_of(SMALL[1]), "second_digest": digest_of(LARGE[1])}
        made = await stub.CreateDistinctPair(pb.CreateDistinctPairRequest(**pair))
        [crawl_id] = made.crawl_ids
        assert await watched(stub, crawl_id) == {digest_of(SMALL[1]): verdict_pb2.VERDICT_ACCEPTED}
        assert await kept(stub) == [digest_of(LARGE[1]), digest_of(SMALL[1])]
    assert await asyncio.to_thread(problems, data) == []


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        ("a" * 64, "b" * 64, grpc.StatusCode.NOT_FOUND),
        ("a" * 64, "a" * 64, grpc.StatusCode.INVALID_ARGUMENT),
        ("a" * 63, "b" * 64, grpc.StatusCode.INVALID_ARGUMENT),
        ("", "B" * 64, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_is_no_pair_is_refused(tmp_path, monkeypatch, one, other, code):
    """Unknown images, one image, no digests."""
    async with crawler(tmp_path / "data", monkeypatch) as stub:
        request = pb.CreateDistinctPairRequest(first_digest=one, second_digest=other)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CreateDistinctPair(request)
        assert caught.value.code() is code
