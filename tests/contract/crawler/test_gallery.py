"""A crawler that asks a gallery before it keeps anything."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1 import verdict_pb2
from lodestone.image.v1.image_pb2 import Image, Pixels
from services.crawler.__main__ import build
from services.crawler.config import CrawlerSettings
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.folder_files import FolderFiles
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from services.servicekit.errors import Misconfigured
from tests.contract.crawler.mined import GREEN, RED, tinted
from tests.crawler.pictures import encode
from tests.faithful.ambience_server import AmbienceServer
from tests.fakes.colour_services import ColourServices
from tests.fakes.serving import serving, settings_for_tests

COUNT = 4


@pytest.fixture
async def gallery():
    async with AmbienceServer() as running:
        yield running


@pytest.fixture
def settings(tmp_path, monkeypatch, gallery):
    """Of a crawler with a canary, over model services that can be worked out."""
    canary = tmp_path / "canary.png"
    canary.write_bytes(encode(tinted(70, GREEN), "PNG"))
    gallery.has(canary.read_bytes(), image_id=1)
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path / "data"))
    with ColourServices() as fakes:
        for word in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{word}", fakes.address)
        yield settings_for_tests(
            CrawlerSettings,
            min_pixels=0,
            decoders=1,
            gallery=gallery.origin,
            gallery_canary=canary,
        )


def problems(data):
    folder = data
    terms = CheckTerms(time.time(), 3_600.0)
    check = Verification(
        CatalogueFile(folder / "catalog.sqlite"), FolderFiles(folder), terms, threads=2
    )
    return list(check.check(lambda _: None))


async def test_a_blind_gallery_keeps_a_crawl_waiting_and_then_its_word_counts(
    settings, gallery, tmp_path
):
    """While its helper is down nothing is kept and nothing rejected; then what it has is a duplicate, the rest kept."""
    site = tmp_path / "site"
    site.mkdir()
    for number in range(COUNT):
        (site / f"{number}.png").write_bytes(encode(tinted(number, RED), "PNG"))
    gallery.has((site / "2.png").read_bytes(), image_id=7, distance=12)
    gallery.helper_is_down = True
    async with serving(await build(settings), settings) as channel:
        stub = CrawlerServiceStub(channel)
        request = pb.CreateCrawlRequest(
            request_id="r", sources=[f"folder:{site}"], profile="colours"
        )
        crawl_id = (await stub.CreateCrawl(request)).crawl.crawl_id
        async with asyncio.timeout(60):
            while gallery.request_count < 3:
                await asyncio.sleep(0.02)
            crawl = (await stub.GetCrawl(pb.GetCrawlRequest(crawl_id=crawl_id))).crawl
            assert crawl.progress.settled_count == 0
            gallery.helper_is_down = False
            async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=crawl_id)):
                crawl = event.crawl if event.HasField("crawl") else crawl
        assert crawl.state == crawl_pb2.CRAWL_STATE_COMPLETED
        counts = {one.verdict: one.count for one in crawl.progress.verdict_counts}
        await _require_files_for_the_screen(stub)
    assert counts == {verdict_pb2.VERDICT_ACCEPTED: 3, verdict_pb2.VERDICT_DUPLICATE: 1}
    assert problems(tmp_path / "data") == []


async def _require_files_for_the_screen(stub):
    """A gallery takes files: pixels are refused with a sentence."""
    pixels = Pixels(height_px=240, width_px=320, rgb=tinted(5, RED).tobytes())
    options = pb.JudgeOptions(profile="colours", screen=True)
    request = pb.JudgeImagesRequest(options=options, images=[Image(pixels=pixels)])
    with pytest.raises(grpc.aio.AioRpcError, match="takes encoded images") as refused:
        await stub.JudgeImages(request)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gallery_canary": None}, "needs a canary"),
        ({"gallery": "nowhere"}, "the address of a receiver"),
        ({"max_bytes": 60_000_000}, "LODESTONE_CRAWLER_MAX_BYTES"),
    ],
)
async def test_a_gallery_that_could_not_be_believed_ends_the_start(settings, change, words):
    """One line that says what is missing."""
    with pytest.raises(Misconfigured, match=words):
        await build(settings.model_copy(update=change))
