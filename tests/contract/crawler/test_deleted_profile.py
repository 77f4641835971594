"""A crawler and a novelty service, both real: a profile is deleted under a crawl that runs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.novelty.v1 import novelty_service_pb2
from services.crawler.__main__ import build as build_crawler
from services.crawler.config import CrawlerSettings
from tests.fakes.colour_services import ColourServices, embed_bytes, jpeg_of
from tests.fakes.serving import serving, settings_for_tests

# Hues around the circle: no two of their embeddings are one picture.
FILES = [jpeg_of(f"hsv({22.5 * step},100%,100%)") for step in range(16)]


class SecondWaits:
    """Embeds one image; the others wait until they are let through."""

    def __init__(self, embed):
        self._embed = embed
        self._first = threading.Lock()
        self.others_came = threading.Event()
        self.open = threading.Event()

    def __call__(self, image):
        if not self._first.acquire(blocking=False):
            self.others_came.set()
            assert self.open.wait(30)
        return self._embed(image)


@pytest.fixture
async def novelty(novelty):
    """The stub of a real novelty service with a profile of hues."""
    request = novelty_service_pb2.FitProfileRequest
    options = novelty_service_pb2.FitOptions(request_id="1", name="hues")
    liked = novelty_service_pb2.EmbeddingBatch(embeddings=[embed_bytes(file) for file in FILES])
    await novelty.FitProfile(iter([request(options=options), request(liked=liked)]))
    return novelty


@pytest.fixture
async def services(novelty, monkeypatch):
    with ColourServices() as fakes:
        monkeypatch.setenv("LODESTONE_EMBEDDER", fakes.address)
        monkeypatch.setenv("LODESTONE_WATERMARK", fakes.address)
        yield fakes


@pytest.fixture
async def stub(services):
    settings = settings_for_tests(CrawlerSettings, min_pixels=0, decoders=1)
    async with serving(await build_crawler(settings), settings) as channel:
        yield CrawlerServiceStub(channel)


async def test_a_running_crawl_fails_with_the_reason(
    stub, novelty, services, monkeypatch, tmp_path
):
    """At its next score: it does not wait for what will not come back, and takes no other version."""
    waiting = SecondWaits(services.embedder._embed)
    monkeypatch.setattr(services.embedder, "_embed", waiting)
    (tmp_path / "found").mkdir()
    for number, file in enumerate(FILES):
        (tmp_path / "found" / f"{number}.jpg").write_bytes(file)
    request = pb.CreateCrawlRequest(
        request_id="1", sources=[f"folder:{tmp_path / 'found'}"], profile="hues"
    )
    crawl = (await stub.CreateCrawl(request)).crawl
    assert await asyncio.to_thread(waiting.others_came.wait, 30)
    answer = await novelty.DeleteProfile(novelty_service_pb2.DeleteProfileRequest(profile="hues"))
    assert list(answer.versions) == [1]
    waiting.open.set()
    async with asyncio.timeout(30):
        async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=crawl.crawl_id)):
            crawl = event.crawl
    assert crawl.state == crawl_pb2.CRAWL_STATE_FAILED
    assert crawl.state_reason == "there is no profile 'hues@1'"
