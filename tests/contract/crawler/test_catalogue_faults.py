"""A crawler process whose catalogue fails it while it works."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.crawler.crawler_process import crawl, crawler
from tests.contract.crawler.mined import RED, tinted
from tests.crawler.pictures import encode
from tests.fakes.colour_services import ColourServices

# How long a process may take to end, seconds.
_END_S = 15.0


@pytest.fixture
def site(tmp_path):
    """More pictures than are judged before something happens."""
    folder = tmp_path / "site"
    folder.mkdir()
    for number in range(80):
        (folder / f"{number:03}.png").write_bytes(encode(tinted(number, RED), "PNG"))
    return folder


@pytest.fixture
def models():
    with ColourServices() as fakes:
        yield fakes.address


async def test_a_catalogue_that_somebody_deletes(tmp_path, site, models):
    """The process ends with one line that says so; the next one does not begin with an empty catalogue."""
    async with crawler(tmp_path, models) as (process, stub):
        await crawl(stub, site, until=3)
        (tmp_path / "data" / "catalog.sqlite").unlink()
        async with asyncio.timeout(_END_S):
            assert await process.wait() == 70
    log = (tmp_path / "crawler.err").read_text()
    assert "was removed or replaced while it was open" in log
    assert "Traceback" not in log
    async with crawler(tmp_path, models) as (process, _):
        assert await process.wait() == 78
    last = (tmp_path / "crawler.err").read_text().splitlines()[-1]
    assert last.startswith(f"error: {tmp_path / 'data' / 'catalog.sqlite'} is gone: restore it")
    assert not (tmp_path / "data" / "catalog.sqlite").exists()


async def test_sigterm_while_the_server_is_away(tmp_path, site, models, postgres):
    """The process does not wait for it, and the crawl goes on with the next one."""
    with postgres.database() as url:
        settings = {"catalogue": postgres.address(url.database)}
        async with crawler(tmp_path, models, settings) as (process, stub):
            await crawl(stub, site, until=3)
            postgres.stop()
            try:
                log = tmp_path / "crawler.err"
                while "catalogue_away" not in log.read_text():
                    await asyncio.sleep(0.02)
                process.terminate()
                async with asyncio.timeout(_END_S):
                    assert await process.wait() == 0
            finally:
                postgres.start()
        assert "Traceback" not in log.read_text()
        async with crawler(tmp_path, models, settings) as (process, stub):
            ended = await crawl(stub, site, until=81)
            assert ended.progress.settled_count == 80
