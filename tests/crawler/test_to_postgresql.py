from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from services.crawler.catalogue import crawls
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.judgement import ProfileVersion
from tests.domain_tests import ROOT


@pytest.fixture
def url(postgres):
    """An empty catalogue."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def command(tmp_path, postgres, url):
    """Runs the command with the settings of a crawler, the address in a file."""
    secret = tmp_path / "secret"
    secret.write_text(postgres.address(url.database))
    environment = os.environ | {
        "LODESTONE_DATA": str(tmp_path),
        "LODESTONE_CRAWLER_CATALOGUE_FILE": str(secret),
    }

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "services.crawler.to_postgresql", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def run(place, work):
    database = Database(place)
    try:
        return asyncio.run(database.run(work))
    finally:
        database.close()


def test_a_catalogue_is_copied(url, tmp_path, command):
    """It says how many rows, and PostgreSQL has them; a second time it does nothing."""
    path = tmp_path / "catalog.sqlite"
    request = CrawlRequest("r1", ("urls:/a",), ProfileVersion("p", 1))
    run(path, lambda c: crawls.create_crawl(c, "c1", request, now=1.0))
    done = command()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"copied 2 rows from {path}, which is as it was\n"
    assert [crawl.crawl_id for crawl in run(url, crawls.list_crawls)] == ["c1"]
    again = command()
    assert again.returncode == 78
    assert "is not empty" in again.stderr


def test_there_is_none(tmp_path, command):
    """A folder without a catalogue is one clear line, and stays without."""
    done = command()
    assert done.returncode == 78
    assert done.stderr == f"error: there is no catalogue {tmp_path / 'catalog.sqlite'}\n"
    assert not (tmp_path / "catalog.sqlite").exists()


def test_an_empty_file_is_none(tmp_path, command):
    """It is not made a catalogue."""
    file = tmp_path / "mine" / "catalog.sqlite"
    file.parent.mkdir()
    file.touch()
    done = command("--data", str(file.parent))
    assert (done.returncode, done.stderr) == (78, f"error: there is no catalogue {file}\n")
    assert file.stat().st_size == 0


@pytest.mark.parametrize(
    ("argument", "status", "said"),
    [
        ("--help", 0, "into an empty PostgreSQL database"),
        ("--what", 2, "unrecognized arguments: --what"),
    ],
)
def test_a_question_copies_nothing(url, tmp_path, command, argument, status, said):
    """Help is help, and what is not understood is refused."""
    Database(tmp_path / "catalog.sqlite").close()
    done = command(argument)
    assert done.returncode == status
    assert said in " ".join((done.stdout + done.stderr).split())
    assert "copied" not in done.stdout
