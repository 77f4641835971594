"""What becomes of crawls that an earlier process left running: a real crawler, model services that are fakes."""

from __future__ import annotations

import asyncio

import pytest

from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from services.crawler.__main__ import build
from services.crawler.catalogue import crawls
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.config import CrawlerSettings
from services.crawler.judgement import ProfileVersion
from tests.cli.fake_services import FakeServices
from tests.fakes.serving import serving, settings_for_tests


@pytest.fixture
async def stub(tmp_path, monkeypatch):
    """A crawler over a catalogue with a running crawl, whose profile is gone."""
    request = CrawlRequest("r1", (f"folder:{tmp_path}",), ProfileVersion("gone", 3))
    database = Database(tmp_path / "catalog.sqlite")
    await database.run(lambda c: crawls.create_crawl(c, "c1", request, now=1.0))
    database.close()
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    with FakeServices() as fakes:
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        settings = settings_for_tests(CrawlerSettings)
        async with serving(await build(settings), settings) as channel:
            yield CrawlerServiceStub(channel)


async def test_a_crawl_whose_profile_is_gone_fails_with_a_reason(stub):
    """It fetches nothing, and says which profile it is."""
    async with asyncio.timeout(20):
        async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id="c1")):
            crawl = event.crawl
    assert crawl.state == crawl_pb2.CRAWL_STATE_FAILED
    assert crawl.state_reason == "there is no profile 'gone@3'"
    assert crawl.progress.found_count == 0
