"""A crawler whose catalogue is in PostgreSQL: real servers, model services that are fakes."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from services.crawler.__main__ import build
from services.crawler.catalogue.database import Database
from services.crawler.config import CrawlerSettings
from services.servicekit.errors import Broken, Misconfigured, Unavailable
from tests.cli.fake_services import FakeServices
from tests.fakes.serving import settings_for_tests


@pytest.fixture
def url(postgres):
    with postgres.database() as url:
        yield url


@pytest.fixture
async def definition(tmp_path, monkeypatch, postgres, url):
    """What `build` makes of the settings."""
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    with FakeServices() as fakes:
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        address = SecretStr(postgres.address(url.database))
        definition = await build(settings_for_tests(CrawlerSettings, catalogue=address))
        yield definition
        await definition.close()


async def test_no_file_is_made(definition, tmp_path):
    """The catalogue is in the database that the setting names."""
    await definition.probe()
    assert list(tmp_path.glob("catalog*")) == []


async def test_a_crawler_is_not_ready_while_its_server_is_away(definition, postgres):
    """It says why, and is ready again by itself."""
    await asyncio.to_thread(postgres.stop, "immediate")
    first = asyncio.create_task(definition.probe())
    with pytest.raises(Unavailable, match="the catalogue is unavailable: .*refused"):
        while True:
            try:
                await asyncio.wait_for(definition.probe(), 0.1)
            except TimeoutError:
                assert not first.done()
    await asyncio.to_thread(postgres.start)
    async with asyncio.timeout(20):
        await first
    await definition.probe()


async def test_a_crawler_that_lost_its_catalogue_ends(definition, postgres, url):
    """Its probe says that only a new process can go on."""
    await asyncio.to_thread(postgres.stop, "immediate")
    await asyncio.to_thread(postgres.start)
    other = await asyncio.to_thread(Database, url)
    with pytest.raises(Broken, match="taken over"):
        await definition.probe()
    other.close()


async def test_a_setting_that_is_no_address(monkeypatch, tmp_path):
    """It ends the start."""
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    settings = settings_for_tests(CrawlerSettings, catalogue=SecretStr("mysql://h/d"))
    with pytest.raises(Misconfigured, match="postgresql://"):
        await build(settings)
