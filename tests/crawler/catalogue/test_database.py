from __future__ import annotations

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from services.crawler.catalogue.database import Database
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
