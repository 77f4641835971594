"""The pages of the documentation about sources that need no server of another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.crawler.sources.registry import SourceRegistry
from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import posts_of, source_tools
from tests.faithful.documented import documented_sources

HTML = {"Content-Type": "text/html"}


async def test_page() -> None:
    """Each documented page, of a server that stands in the example's place."""
    pages = {
        "/nature/": answer(b"<img src=a.jpg><a href=more.html>more</a>", headers=HTML),
        "/nature/more.html": answer(b"<img data-src=b.jpg>", headers=HTML),
    }
    texts = documented_sources("page")
    assert texts
    async with RawServer(by_path(pages)) as server, fetcher_for(server.port) as fetcher:

        def fetch_page(url):
            return fetcher.fetch_page(url.replace("https://gallery.example", server.url("")))

        for text in texts:
            source = SourceRegistry(source_tools(fetch_page=fetch_page)).parse(text)
            assert source.uri == text
            assert len(await posts_of(source)) >= 1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


async def test_folder(home: Path) -> None:
    """Each documented folder."""
    (home / "Downloads").mkdir()
    (home / "Downloads" / "a.jpg").touch()
    texts = documented_sources("folder")
    assert texts
    for text in texts:
        source = SourceRegistry(source_tools()).parse(text)
        source._settle_s = 0.0
        assert len(await posts_of(source)) == 1


async def test_urls(home: Path) -> None:
    """Each documented file."""
    (home / "links.txt").write_text("# mine\nhttps://site.example/a.jpg\n")
    (home / "links.csv").write_text("title;url\nA;https://site.example/a.jpg\n")
    (home / "links.jsonl").write_text('{"url": "https://site.example/a.jpg"}\n')
    texts = documented_sources("urls")
    assert len(texts) == 3
    for text in texts:
        source = SourceRegistry(source_tools()).parse(text)
        assert [post.url for post in await posts_of(source)] == ["https://site.example/a.jpg"]
