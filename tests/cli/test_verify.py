"""`lodestone verify`: the command line that the check gets, and what comes back."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from services.crawler.catalogue.database import Database


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose check writes down its command line."""
    root = tmp_path / "checkout"
    for package in (
        "services",
        "services/embedder",
        "services/crawler",
        "services/crawler/verifying",
    ):
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").touch()
    (root / "services" / "embedder" / "__main__.py").touch()
    (root / "services" / "crawler" / "verifying" / "__main__.py").write_text(
        "import pathlib, sys\n"
        "pathlib.Path('seen').write_text('\\n'.join(sys.argv[1:]))\n"
        "sys.exit(1)\n"
    )
    only_here = SimpleNamespace(path=[], executable=sys.executable)
    monkeypatch.setattr("lodestone.cli.checkout.sys", only_here)
    monkeypatch.chdir(root)
    return root


def test_everything_that_is_given_reaches_the_check(cli, checkout):
    """And its exit status comes back."""
    given = ["--deep", "--repair", "--grace", "60", "--show", "0", "--json", "--data", "mine"]
    assert cli("verify", *given).status == 1
    seen = (checkout / "seen").read_text().splitlines()
    assert seen == ["--data=mine", "--grace=60.0", "--show=0", "--deep", "--repair", "--json"]


def test_a_new_folder_is_well(start_cli, tmp_path):
    """The defaults here are the check's own; nothing is not too little."""
    Database(tmp_path / "data" / "catalog.sqlite").close()
    assert start_cli("verify", "--data", tmp_path / "data").wait(60) == 0
    [line] = (tmp_path / "out").read_text().splitlines()
    assert line.startswith("checked 0 images (0 bytes), 0 listings, 0 judgements and 0 crawls in ")
    assert line.endswith(" s: all is well")
    assert (tmp_path / "err").read_text() == ""


def test_a_folder_without_a_catalogue_is_one_line(start_cli, tmp_path):
    """And status 1."""
    (tmp_path / "data").mkdir()
    assert start_cli("verify", "--data", tmp_path / "data").wait(60) == 1
    line = f"error: {tmp_path / 'data' / 'catalog.sqlite'} is not there\n"
    assert (tmp_path / "err").read_text() == line


@pytest.mark.parametrize("option", ["--grace=-1", "--show=-1", "--what"])
def test_what_cannot_be_meant(cli, option):
    """Status 2, and nothing is started."""
    assert cli("verify", option).status == 2


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STORE", "elsewhere", "error: the store is s3://bucket/prefix"),
        ("CATALOGUE", "elsewhere", "error: the catalogue is not an address like postgresql://"),
        (
            "CATALOGUE_FILE",
            "nowhere",
            "error: LODESTONE_CRAWLER_CATALOGUE_FILE: nowhere cannot be read",
        ),
        ("STOER", "s3://bucket", "error: LODESTONE_CRAWLER_STOER: there is no such setting"),
    ],
)
def test_the_crawlers_settings_count(start_cli, tmp_path, monkeypatch, name, value, said):
    """What is wrong with one is told in a line; nothing is checked elsewhere instead, and nothing repaired."""
    monkeypatch.setenv(f"LODESTONE_CRAWLER_{name}", value)
    Database(tmp_path / "data" / "catalog.sqlite").close()
    assert start_cli("verify", "--repair", "--data", tmp_path / "data").wait(60) > 0
    assert (tmp_path / "out").read_text() == ""
    [line] = (tmp_path / "err").read_text().splitlines()
    assert line.startswith(said)
    assert not (tmp_path / "data" / "blobs").exists()
