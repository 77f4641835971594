"""The catalogue as a SQLite file of one data folder."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError

from services.crawler.catalogue.damage import CatalogueBroken
from services.crawler.catalogue.migrating import migrate
from services.crawler.catalogue.mount_table import require_own_disk
from services.crawler.catalogue.outage import CatalogueAway
from services.servicekit.errors import Misconfigured

Result = TypeVar("Result")

# The disk may be emptied, and whoever looks into the file with a tool of his own lets go of it.
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL})
# What was a catalogue when it was opened: a disk that fails, or can only be read, may be mended.
_PASSING_LATER = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class SqliteFile:
    """One IMMEDIATE transaction at a time; what is committed is on the disk (WAL, synchronous=FULL).

    Attributes:
        name: What a message calls it.
        is_shared: Whether other crawlers may have it open at the same time: never.
        was_alone: Whether nobody else had it open when it was opened: always.
    """

    is_shared = False
    was_alone = True

    def __init__(self, path: Path) -> None:
        """Takes the file for this process; its folder is made.

        Raises:
            Misconfigured: Another crawler has it, it cannot be made, or its disk may be another machine's as well.
        """
        self.name = str(path)
        _make_folder(path.parent)
        require_own_disk(path.parent)
        self._path = path
        self._lock = _lock(path.with_suffix(".lock"))
        self._engine = _engine(path)
        self._file: tuple[int, int] | None = None

    def open(self) -> None:
        """Creates the catalogue or brings it to the newest version."""
        self._transact(_prepare)
        self._file = self._file_now()

    def transaction(self, work: Callable[[Connection], Result]) -> Callable[[], Result]:
        """A function that runs `work` in a transaction; it may be called again after CatalogueAway."""
        return partial(self._transact, work)

    def close(self) -> None:
        """Closes the file and lets go of it."""
        self._engine.dispose()
        self._lock.close()

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        if self._file is not None and self._file_now() != self._file:
            raise CatalogueBroken(f"{self._path} was removed or replaced while it was open")
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except DatabaseError as error:
            # The low byte is the kind, the others say more of it.
            kind, said = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF, str(error.orig)
            if kind in _PASSING or (self._file is not None and kind in _PASSING_LATER):
                raise CatalogueAway(said) from error
            if self._file is not None and kind in _DAMAGED:
                raise CatalogueBroken(f"{self._path}: {said}") from error
            raise

    def _file_now(self) -> tuple[int, int] | None:
        """Which file has the path: SQLite would go on writing to one that nobody can find any more."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def has_no_table(path: Path) -> bool:
    """Whether a file that is there is an empty database, as one of 0 bytes is.

    What cannot be read is none: its opening says why.
    """
    try:
        address = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    except sqlite3.Error:
        return False


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"cannot make the folder {folder}: {error.strerror}") from error


def _prepare(connection: Connection) -> None:
    migrate(connection)
    # A file that may only be read is told now: this writes what is there already, into the first page alone.
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql(f"PRAGMA user_version = {int(version)}")


def _lock(path: Path) -> IO[str]:
    try:
        handle = path.open("a")
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        message = f"another crawler uses {path.parent}: one at a time can have it open"
        raise Misconfigured(message) from error
    return handle


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _set_up(connection: DBAPIConnection, _record: object) -> None:
        # SQLAlchemy's recipe for real transactions on pysqlite: the driver must not begin or commit by itself.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
