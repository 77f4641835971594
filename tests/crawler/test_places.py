from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from services.crawler.catalogue.postgres_server import parse_server
from services.crawler.places import Places
from services.servicekit.errors import Misconfigured
from tests.fakes.canary import CANARY

SERVER = parse_server(f"postgresql://me:{CANARY}@db.example:5433/mine?password={CANARY}")
HERE = Places("catalog.sqlite", "the data folder")
ELSEWHERE = Places.of(SERVER, "s3://bucket/prefix/")


def test_the_note_has_no_password(tmp_path):
    """It names database, host and bucket; whoever reads it knows where to look."""
    ELSEWHERE.write(tmp_path / "data")
    text = (tmp_path / "data" / "places.json").read_text()
    assert json.loads(text) == {
        "catalogue": "the PostgreSQL database 'mine' on db.example",
        "store": "s3://bucket/prefix",
    }
    assert CANARY not in text
    assert Places.read(tmp_path / "data") == ELSEWHERE
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["places.json"]


def test_what_settings_name(tmp_path):
    """Nothing set is the data folder."""
    assert Places.of(tmp_path / "catalog.sqlite", "") == HERE


def test_a_change_is_logged_once(tmp_path):
    """With what was before."""
    HERE.write(tmp_path)
    with capture_logs() as logs:
        ELSEWHERE.write(tmp_path)
        ELSEWHERE.write(tmp_path)
    [line] = logs
    assert (line["event"], line["before"]["catalogue"]) == ("places_changed", "catalog.sqlite")


def test_a_folder_that_takes_no_note(tmp_path):
    """The crawler goes on without."""
    (tmp_path / "file").write_text("")
    with capture_logs() as logs:
        HERE.write(tmp_path / "file")
    assert [line["event"] for line in logs] == ["places_not_noted"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"catalogue": 1}', "\0"])
def test_a_note_that_is_none(tmp_path, text):
    """It stops nobody, and is written anew."""
    (tmp_path / "places.json").write_text(text)
    assert Places.read(tmp_path) is None
    HERE.require_noted(tmp_path)
    HERE.require_catalogue(tmp_path)
    HERE.write(tmp_path)
    assert Places.read(tmp_path) == HERE


@pytest.mark.parametrize(
    ("noted", "here", "said"),
    [
        (HERE, HERE, ""),
        (ELSEWHERE, ELSEWHERE, ""),
        (ELSEWHERE, Places("the PostgreSQL database 'mine' on localhost", ELSEWHERE.store), ""),
        (ELSEWHERE, HERE, "its catalogue in the PostgreSQL database 'mine' on db.example"),
        (HERE, ELSEWHERE, "its catalogue in catalog.sqlite"),
        (ELSEWHERE, Places(ELSEWHERE.catalogue, HERE.store), "its images in s3://bucket/prefix"),
        (ELSEWHERE, Places(ELSEWHERE.catalogue, "s3://other"), "LODESTONE_CRAWLER_STORE"),
        (HERE, Places(HERE.catalogue, "s3://other"), "its images in the data folder"),
    ],
)
def test_a_check_elsewhere_than_the_crawler(tmp_path, noted, here, said):
    """It is refused, but for another name of the same kind of server."""
    noted.write(tmp_path)
    if not said:
        here.require_noted(tmp_path)
        return
    with pytest.raises(Misconfigured, match=said):
        here.require_noted(tmp_path)


def test_a_crawler_whose_catalogue_is_gone(tmp_path):
    """It does not begin with an empty one, unless somebody says so."""
    HERE.require_catalogue(tmp_path)
    HERE.write(tmp_path)
    with pytest.raises(Misconfigured, match=r"catalog\.sqlite is gone: restore it from a backup"):
        HERE.require_catalogue(tmp_path)


@pytest.mark.parametrize("begun", [False, True])
def test_a_crawler_whose_catalogue_is_empty(tmp_path, begun):
    """A file of 0 bytes, or a database without a table, is none either: what is kept would not be found in it."""
    file = tmp_path / "catalog.sqlite"
    file.touch()
    if begun:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    HERE.require_catalogue(tmp_path)
    HERE.write(tmp_path)
    with pytest.raises(Misconfigured, match=r"catalog\.sqlite is empty: restore it from a backup"):
        HERE.require_catalogue(tmp_path)


def test_a_crawler_that_was_killed(tmp_path):
    """Its catalogue is in the file beside the first page."""
    HERE.write(tmp_path)
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE crawls (crawl_id TEXT)")
        left = tmp_path / "left"
        shutil.copytree(tmp_path, left)
    assert (left / "catalog.sqlite-wal").stat().st_size
    HERE.require_catalogue(left)


def test_a_catalogue_that_cannot_be_read(tmp_path):
    """Its opening says so."""
    HERE.write(tmp_path)
    (tmp_path / "catalog.sqlite").write_text("no database at all")
    HERE.require_catalogue(tmp_path)


def test_a_crawler_that_lacks_its_setting(tmp_path):
    """The catalogue is on PostgreSQL: it does not go on with the one that was left in the folder."""
    ELSEWHERE.write(tmp_path)
    (tmp_path / "catalog.sqlite").touch()
    with pytest.raises(Misconfigured, match=r"in the PostgreSQL database 'mine' on db\.example"):
        HERE.require_catalogue(tmp_path)


def test_a_catalogue_that_moves_to_postgresql(tmp_path):
    """That is what the setting is for."""
    HERE.write(tmp_path)
    ELSEWHERE.require_catalogue(tmp_path)
