from __future__ import annotations

import sqlite3

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from services.crawler.catalogue import kept_images
from services.crawler.catalogue.database import _MIGRATIONS, Database
from services.crawler.catalogue.schema import metadata
from services.servicekit.errors import Misconfigured


async def test_migrations_make_the_schema(database):
    """The tables that the migrations create are those of schema.py."""

    def compare(connection):
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await database.run(compare) == []


async def test_one_crawler_at_a_time(database, tmp_path):
    """A second process (here: a second handle) is refused with the folder named."""
    with pytest.raises(Misconfigured, match=str(tmp_path)):
        Database(tmp_path / "catalog.sqlite")


async def test_failed_work_is_rolled_back(database):
    """An exception leaves nothing of its transaction."""

    def work(connection):
        connection.execute(text("INSERT INTO seen_images VALUES ('p', 'd', '0', x'00', 0)"))
        raise ValueError("after the insert")

    with pytest.raises(ValueError, match="after the insert"):
        await database.run(work)
    count = "SELECT count(*) FROM seen_images"
    assert await database.run(lambda c: c.execute(text(count)).scalar_one()) == 0


async def test_commits_are_synced(database):
    """WAL with synchronous=FULL and foreign keys, as the invariants need."""
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for name, expected in pragmas.items():
        query = text(f"PRAGMA {name}")
        assert await database.run(lambda c, q=query: c.execute(q).scalar_one()) == expected


def test_a_file_that_is_no_catalogue(tmp_path):
    """Garbage is one clear error that names the file."""
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(Misconfigured, match="is not a catalogue"):
        Database(path)


def test_a_catalogue_of_a_newer_version(tmp_path):
    """A version that this code does not know is refused, not touched."""
    path = tmp_path / "catalog.sqlite"
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Misconfigured, match="9999"):
        Database(path)


async def test_a_catalogue_of_the_first_version_is_migrated(tmp_path):
    """Its rows stay, whatever refers to them; an image has the listing and time that it was first accepted for."""
    path = tmp_path / "catalog.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in _FIRST_ROWS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    database = Database(path)
    try:
        [kept] = await database.run(lambda c: kept_images.list_kept(c, ""))
        names = text("SELECT sql FROM sqlite_master WHERE name = 'kept_images'")
        sql = await database.run(lambda c: c.execute(names).scalar_one())
    finally:
        database.close()
    assert (kept.listing.url, kept.final_url, kept.accept_time) == ("file:///1", "file:///x", 7.0)
    assert "UNIQUE (profile_name, file_name)" in sql


_FIRST_ROWS = (
    "INSERT INTO crawls VALUES ('c1', 'r1', 'p', 1, 'COMPLETED', '', 0, 0, 1, 1, 1.0)",
    "INSERT INTO crawl_sources VALUES ('c1', 0, 'folder:/a')",
    (
        "INSERT INTO listings VALUES (1, 'file:///1', 'folder:/a', '', '', '', 1.0, NULL, NULL, 0, 0.0,"
        " 'FETCHED', NULL, '', 'file:///x', 'd', 9, 2.0)"
    ),
    "INSERT INTO crawl_listings VALUES ('c1', 1, 1, 0, 0)",
    (
        "INSERT INTO candidates (digest, size_bytes, width_px, height_px, format, animated, hash64, hash256,"
        " mirrored64, mirrored256, flat) VALUES ('d', 9, 2, 2, 'PNG', 0, '0', x'00', '0', x'00', 0)"
    ),
    "INSERT INTO images VALUES (1, 'd', 1, 'file:///x', 7.0)",
    "INSERT INTO kept_images VALUES ('d', 'p', 1, 'a.png', 1)",
)
