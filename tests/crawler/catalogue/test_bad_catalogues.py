"""Catalogues that cannot be used, or that become so while a crawler has them: one clear error, and no repair."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from services.crawler.catalogue import crawls
from services.crawler.catalogue.damage import CatalogueBroken
from services.crawler.catalogue.database import Database
from services.servicekit.errors import Misconfigured

ROOT = Path(__file__).parents[3]
ADD = (
    "INSERT INTO seen_images (profile_name, digest, hash64, hash256, flat)"
    " VALUES ('p', '{}', '0', '{}', false)"
)
# Of a column that no index has.
COUNT = text("SELECT count(hash64) FROM seen_images")


def add(database, digest="d"):
    return database.run(lambda c: c.execute(text(ADD.format(digest, "00" * 200))))


def count(database):
    return database.run(lambda c: c.execute(COUNT).scalar_one())


async def waits(database):
    """Until it waits; returns for what."""
    async with asyncio.timeout(30):
        while not database.waits_for:
            await asyncio.sleep(0.01)
    return database.waits_for


@pytest.fixture
def path(tmp_path):
    """A catalogue that no crawler has open."""
    path = tmp_path / "data" / "catalog.sqlite"
    Database(path).close()
    return path


@pytest.fixture
def url(postgres):
    with postgres.database() as url:
        yield url


def address(url):
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


START = (
    "import sys; from pathlib import Path\n"
    "from services.crawler.catalogue.database import Database\n"
    "from services.servicekit.errors import Misconfigured\n"
    "try:\n"
    "    Database(Path(sys.argv[1]), patience_s=0.2)\n"
    "except Misconfigured as error:\n"
    "    sys.exit(str(error))\n"
)
# Root writes everywhere, unless it is told to do without its rights.
PLAIN = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.getuid() == 0 else []


def started(path):
    """What a crawler without root's rights says when it opens a catalogue."""
    command = [*PLAIN, sys.executable, "-c", START, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


def test_a_file_that_may_only_be_read(path):
    """The start names it, and what SQLite says."""
    path.chmod(0o444)
    try:
        said = started(path)
    finally:
        path.chmod(0o644)
    assert said == f"{path} cannot be used as a catalogue: attempt to write a readonly database\n"


def test_a_folder_that_may_only_be_read(path):
    """Not even the lock can be taken."""
    path.with_suffix(".lock").unlink()
    path.parent.chmod(0o555)
    try:
        said = started(path)
    finally:
        path.parent.chmod(0o755)
    assert said == f"cannot write {path.with_suffix('.lock')}: Permission denied\n"


def test_a_folder_that_is_a_file(tmp_path):
    """One line."""
    (tmp_path / "data").write_text("")
    with pytest.raises(Misconfigured, match=r"cannot make the folder .*data: "):
        Database(tmp_path / "data" / "catalog.sqlite")


@pytest.mark.parametrize("is_first_page", [True, False])
def test_a_file_that_is_damaged(path, is_first_page):
    """Where the start comes across it; nothing of it is changed."""
    content = path.read_bytes()
    pages = slice(0, 4_096) if is_first_page else slice(4_096, len(content))
    spoiled = content[: pages.start] + b"\x5a" * (pages.stop - pages.start) + content[pages.stop :]
    path.write_bytes(spoiled)
    with pytest.raises(
        Misconfigured,
        match=r"catalog\.sqlite cannot be used as a catalogue: .*(malformed|database)",
    ):
        Database(path)
    assert path.read_bytes() == spoiled


@pytest.mark.long
def test_a_start_with_a_file_that_a_stranger_has_locked(path):
    """It waits for a while, and says so."""
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(Misconfigured, match=r"catalog\.sqlite cannot be used .*database is locked"):
        Database(path, patience_s=0.1)
    stranger.close()


async def test_a_file_that_a_stranger_locks(path):
    """A crawler that runs waits until he lets go, and has lost nothing."""
    stranger = sqlite3.connect(path, isolation_level=None)
    database = Database(path)
    stranger.execute("BEGIN IMMEDIATE")
    work = asyncio.create_task(add(database))
    assert await waits(database) == "database is locked"
    stranger.execute("COMMIT")
    stranger.close()
    async with asyncio.timeout(30):
        await work
    assert await count(database) == 1
    database.close()


async def test_a_table_that_a_stranger_has_locked(url):
    """On a server as well: work is tried again until he lets go."""
    database = Database(url)
    await database.run(lambda c: c.exec_driver_sql("SET lock_timeout = '100ms'"))
    with psycopg.connect(address(url)) as stranger:
        stranger.execute("LOCK TABLE seen_images")
        work = asyncio.create_task(add(database))
        assert "lock timeout" in await waits(database)
        stranger.rollback()
    async with asyncio.timeout(30):
        await work
    assert await count(database) == 1
    database.close()


async def test_a_server_that_may_only_be_read(postgres, url):
    """As one is that stands by: the start says so after a while, a crawler that runs waits."""
    alter = f"ALTER DATABASE {url.database}"
    postgres.execute(f"{alter} SET default_transaction_read_only = on")
    with pytest.raises(Misconfigured, match="cannot be used .*read-only transaction"):
        Database(url, patience_s=0.1)
    postgres.execute(f"{alter} RESET default_transaction_read_only")
    database = Database(url)
    await database.run(lambda c: c.exec_driver_sql("SET default_transaction_read_only = on"))
    work = asyncio.create_task(add(database))
    assert "read-only transaction" in await waits(database)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lodestone-crawler%'"
    postgres.execute(end)
    async with asyncio.timeout(30):
        await work
    database.close()


async def test_a_disk_that_fails_for_a_while(path, monkeypatch):
    """A catalogue that may only be read for now is waited for, once it was open."""
    database = Database(path)
    await database.run(lambda c: c.exec_driver_sql("PRAGMA query_only = ON"))
    work = asyncio.create_task(add(database))
    assert "readonly" in await waits(database)
    # Another connection may write: the database makes one when it finds none.
    database._engine._engine.dispose()
    async with asyncio.timeout(30):
        await work
    assert await count(database) == 1
    database.close()


@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_a_file_that_is_taken_away(path, how):
    """SQLite would write on into a file that nobody finds again: nothing more is written, here or there."""
    database = Database(path)
    await add(database)
    other = path.with_name("other.sqlite")
    if how == "replaced":
        Database(other).close()
        other.replace(path)
    else:
        path.unlink()
    for _ in range(2):
        with pytest.raises(CatalogueBroken, match="was removed or replaced while it was open"):
            await add(database, "e")
    database.close()
    if how == "removed":
        assert not path.exists()


async def test_damage_ends_all_work(path):
    """Once SQLite has found it, nothing more is read or written, also where the file is whole."""
    database = Database(path)
    for number in range(300):
        await add(database, f"{number:064x}")
    root = text("SELECT rootpage FROM sqlite_master WHERE name = 'seen_images'")
    page = await database.run(lambda c: c.execute(root).scalar_one())
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4_096)
        file.write(b"\x5a" * 4_096)
    database = Database(path)
    with pytest.raises(
        CatalogueBroken, match=r"catalog\.sqlite: database disk image is malformed; nothing more is"
    ):
        await count(database)
    with pytest.raises(CatalogueBroken):
        await database.run(crawls.list_crawls)
    database.close()
    assert path.read_bytes()[(page - 1) * 4_096 : page * 4_096] == b"\x5a" * 4_096


async def test_damage_that_a_server_finds(postgres, url):
    """The same, in its words."""
    database = Database(url)
    await add(database)
    database.close()
    postgres.damage("seen_images", url.database)
    database = Database(url)
    with pytest.raises(CatalogueBroken, match="invalid page in block 0"):
        await count(database)
    with pytest.raises(CatalogueBroken):
        await database.run(crawls.list_crawls)
    database.close()


async def test_a_process_that_ends_asks_no_more(url, postgres):
    """What waits, and all that comes after it, is told at once, however long a server takes to refuse."""
    database = Database(url)
    postgres.stop()
    waiting = [asyncio.create_task(database.run(crawls.list_crawls)) for _ in range(3)]
    await waits(database)
    database.give_up()
    async with asyncio.timeout(30):
        for work in waiting:
            with pytest.raises(Exception, match="the catalogue is unavailable"):
                await work
    with pytest.raises(Exception, match="the catalogue is unavailable"):
        await database.run(crawls.list_crawls)
    database.close()
    await asyncio.to_thread(postgres.start)
