"""`lodestone to-postgresql`: what reaches the crawler's module, and what comes back."""

from __future__ import annotations

import pytest

from services.crawler.catalogue.database import Database


@pytest.fixture
def no_server(monkeypatch):
    """No database is named."""
    for name in ("LODESTONE_CRAWLER_CATALOGUE", "LODESTONE_CRAWLER_CATALOGUE_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("made", [False, True])
def test_what_is_missing_is_one_line(start_cli, tmp_path, no_server, made):
    """The folder is the one that was named, and the database a setting."""
    if made:
        Database(tmp_path / "data" / "catalog.sqlite").close()
    assert start_cli("to-postgresql", "--json", "--data", tmp_path / "data").wait(60) == 78
    file = tmp_path / "data" / "catalog.sqlite"
    said = "name the PostgreSQL database in LODESTONE_" if made else f"there is no catalogue {file}"
    [line] = (tmp_path / "err").read_text().splitlines()
    assert line.startswith(f"error: {said}")
    assert (tmp_path / "out").read_text() == ""


def test_an_unknown_argument_is_refused(cli):
    """Nothing is started."""
    assert cli("to-postgresql", "--what").status == 2
