"""Watches and exports that a real crawler ends by age, and that the client has go on; model services are fakes."""

from __future__ import annotations

import asyncio

import pytest

from lodestone.client import CrawlerClient
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawl_pb2 import CRAWL_STATE_CANCELLED
from services.crawler.__main__ import build
from services.crawler.config import CrawlerSettings
from services.servicekit.server import ServiceServer
from tests.contract.crawler.mined import pictures
from tests.fakes.colour_services import ColourServices
from tests.fakes.serving import settings_for_tests


class Aging:
    """A crawler whose streams last for a tenth of a second, and its client."""

    def __init__(self, definition, client):
        self._registry = definition.registry
        self.client = client

    def ended_count(self):
        """How many watches it has ended by age."""
        labels = {"method": "WatchCrawl", "code": "UNAVAILABLE"}
        return self._registry.get_sample_value("lodestone_crawler_calls_total", labels) or 0


@pytest.fixture
async def aging(tmp_path, monkeypatch):
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path / "data"))
    with ColourServices() as fakes:
        for word in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{word}", fakes.address)
        chosen = {"min_pixels": 0, "decoders": 1, "connection_age_s": 0.1}
        settings = settings_for_tests(CrawlerSettings, **chosen)
        definition = await build(settings)
        server = ServiceServer(definition, settings)
        await server.start()
        async with CrawlerClient(f"127.0.0.1:{server.port}") as client:
            yield Aging(definition, client)
        await server.stop()


async def test_a_watch_goes_on_over_ever_new_streams(aging, tmp_path):
    """Each listing comes once; an export is whole, too."""
    site, names = tmp_path / "site", ["find-0.png", "find-1.png"]
    site.mkdir()
    for name in names:
        (site / name).write_bytes(pictures()[name])
    request = pb.CreateCrawlRequest(request_id="r", profile="colours")
    request.crawl_sources.add(uri=f"folder:{site}", follow=True).poll_interval.FromSeconds(3_600)
    crawl = await aging.client.create_crawl(request)
    found, before = [], 0
    async with asyncio.timeout(30):
        async for event in aging.client.watch_crawl(crawl.crawl_id):
            if event.HasField("settled_listing"):
                found.append(event.settled_listing.listing.url.rpartition("/")[2])
                before = aging.ended_count()
            # Each stream begins with the crawl.
            elif len(found) == len(names) and aging.ended_count() >= before + 3:
                await aging.client.cancel_crawl(crawl.crawl_id)
    assert event.crawl.state == CRAWL_STATE_CANCELLED
    assert sorted(found) == names

    events = [one async for one in aging.client.export_images(pb.ExportImagesRequest())]
    assert [one.WhichOneof("event") for one in events] == ["horizon", "image", "image"]
