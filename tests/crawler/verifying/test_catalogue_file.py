from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from services.crawler.catalogue.database import Database
from services.crawler.catalogue.schema import seen_images
from services.crawler.verifying import catalogue_file as module
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.catalogue_reading import CatalogueDamaged, CatalogueUnreadable
from services.crawler.verifying.problem import ProblemKind

ROOT = Path(__file__).parents[3]
ADD = "INSERT INTO seen_images VALUES ('p', '{}', '0', x'00', 0)"


@pytest.fixture
def path(tmp_path):
    """A catalogue that no crawler has open."""
    path = tmp_path / "catalog.sqlite"
    Database(path).close()
    return path


def change(path, *statements):
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def seen_count(connection):
    return connection.execute(select(func.count()).select_from(seen_images)).scalar_one()


async def test_one_state_while_a_crawler_writes(path):
    """What is committed meanwhile is not seen before the next look, and nobody waits for anybody."""
    database = Database(path)
    try:
        catalogue = CatalogueFile(path)
        with catalogue.read() as connection:
            assert seen_count(connection) == 0
            await database.run(lambda c: c.execute(text(ADD.format("d"))))
            assert seen_count(connection) == 0
        with catalogue.read() as connection:
            assert seen_count(connection) == 1
        assert catalogue.damage() == []
    finally:
        database.close()


def test_it_cannot_be_written(path):
    """Whoever tries gets an error: a check changes nothing."""
    with (
        pytest.raises(CatalogueUnreadable, match="readonly"),
        CatalogueFile(path).read() as connection,
    ):
        connection.execute(text(ADD.format("d")))


def test_what_a_killed_crawler_committed_is_read(path, tmp_path):
    """Rows in the log beside the catalogue count, as they are; the log stays."""
    code = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        f"connection.execute({ADD.format('d')!r})\n"
        "connection.commit()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    log = tmp_path / "catalog.sqlite-wal"
    before = log.read_bytes()
    assert before
    with CatalogueFile(path).read() as connection:
        assert seen_count(connection) == 1
    assert log.read_bytes() == before


@pytest.mark.parametrize("is_open", [False, True])
def test_a_folder_that_cannot_be_written(tmp_path, is_open):
    """The catalogue is read, at rest or while a crawler has it open, and no file is left behind."""
    folder = tmp_path / "others"
    database = Database(folder / "catalog.sqlite")
    if not is_open:
        database.close()
    folder.chmod(0o555)
    before = sorted(folder.iterdir())
    code = (
        "import sys; from pathlib import Path\n"
        "from services.crawler.verifying.catalogue_file import CatalogueFile\n"
        "assert CatalogueFile(Path(sys.argv[1])).damage() == []\n"
    )
    # Root writes everywhere, unless it is told to do without its rights.
    plain = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.getuid() == 0 else []
    command = [*plain, sys.executable, "-c", code, str(folder / "catalog.sqlite")]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert sorted(folder.iterdir()) == before
    finally:
        folder.chmod(0o755)
        database.close()


def test_none_is_there(tmp_path):
    """The file is named."""
    with pytest.raises(CatalogueUnreadable, match=r"catalog\.sqlite is not there"):
        CatalogueFile(tmp_path / "catalog.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_database(path):
    """Text, however long."""
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(CatalogueUnreadable, match="is no SQLite database"):
        CatalogueFile(path)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", r"of a newer version \(9999\)"),
        ("UPDATE alembic_version SET version_num = '0002'", "of version 0002, and .* is read here"),
        ("DELETE FROM alembic_version", "is no catalogue: it states no version"),
        ("DROP TABLE alembic_version", "is no catalogue: it states no version"),
    ],
)
def test_other_versions(path, statement, said):
    """Newer, older, and a database of something else: each is told, and left as it is."""
    change(path, statement)
    before = path.read_bytes()
    with pytest.raises(CatalogueUnreadable, match=said):
        CatalogueFile(path)
    assert path.read_bytes() == before


def test_a_lock_of_a_stranger(path, monkeypatch):
    """A program that has it open for itself alone is told after a while."""
    monkeypatch.setattr(module, "_WAIT_S", 0.1)
    stranger = sqlite3.connect(path, isolation_level=None)
    try:
        stranger.execute("PRAGMA locking_mode = EXCLUSIVE")
        stranger.execute("BEGIN EXCLUSIVE")
        stranger.execute(ADD.format("d"))
        with pytest.raises(CatalogueUnreadable, match="database is locked"):
            CatalogueFile(path)
    finally:
        stranger.close()


def told(path):
    """The kinds of what is said of a damaged file."""
    try:
        return {problem.kind for problem in CatalogueFile(path).damage()}
    except (CatalogueDamaged, CatalogueUnreadable) as error:
        return {type(error)}


def test_pages_that_were_overwritten(path):
    """Whichever page it is, it is damage, or no database any more; never anything else."""
    change(path, *(ADD.format(f"{number:064x}") for number in range(500)))
    whole = path.read_bytes()
    assert told(path) == set()
    kinds = []
    for start in range(0, len(whole), 4096):
        path.write_bytes(whole[:start] + b"\x5a" * 4096 + whole[start + 4096 :])
        kinds.append(told(path))
    assert kinds[0] == {CatalogueUnreadable}
    assert {ProblemKind.CATALOGUE_DAMAGED} in kinds
    assert all(kinds), kinds


def test_a_file_that_was_cut(path):
    """Half of it is damage."""
    change(path, *(ADD.format(f"{number:064x}") for number in range(500)))
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)
    assert told(path) <= {ProblemKind.CATALOGUE_DAMAGED, CatalogueDamaged}
    assert told(path)
