from __future__ import annotations

import asyncio

import pytest

from services.crawler import to_postgresql
from services.crawler.catalogue import crawls
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.judgement import ProfileVersion


@pytest.fixture
def url(tmp_path, monkeypatch, postgres):
    """An empty catalogue, which the settings name beside a folder."""
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    with postgres.database() as url:
        secret = tmp_path / "secret"
        secret.write_text(postgres.address(url.database))
        monkeypatch.setenv("LODESTONE_CRAWLER_CATALOGUE_FILE", str(secret))
        yield url


def run(place, work):
    database = Database(place)
    try:
        return asyncio.run(database.run(work))
    finally:
        database.close()


def test_a_catalogue_is_copied(url, tmp_path, capsys):
    """The command says how many rows, and PostgreSQL has them; a second time it does nothing."""
    request = CrawlRequest("r1", ("urls:/a",), ProfileVersion("p", 1))
    run(tmp_path / "catalog.sqlite", lambda c: crawls.create_crawl(c, "c1", request, now=1.0))
    assert to_postgresql.main() == 0
    assert capsys.readouterr().out.startswith("copied 2 rows from ")
    assert [crawl.crawl_id for crawl in run(url, crawls.list_crawls)] == ["c1"]
    assert to_postgresql.main() == 78
    assert "is not empty" in capsys.readouterr().err


def test_there_is_none(url, tmp_path, capsys):
    """A folder without a catalogue is one clear line, and stays without."""
    assert to_postgresql.main() == 78
    assert "there is no catalogue" in capsys.readouterr().err
    assert not (tmp_path / "catalog.sqlite").exists()
