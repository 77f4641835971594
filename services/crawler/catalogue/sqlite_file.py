"""The catalogue as a SQLite file of one data folder."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError

from services.crawler.catalogue.beginning import begin_alone
from services.crawler.catalogue.outage import CatalogueAway
from services.servicekit.errors import Misconfigured

Result = TypeVar("Result")

# The disk may be emptied, and whoever looks into the file with a tool of his own lets go of it.
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL})


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
            Misconfigured: Another crawler has it.
        """
        self.name = str(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path.with_suffix(".lock"))
        self._engine = _engine(path)

    def open(self) -> None:
        """Creates the catalogue or brings it to the newest version."""
        self._transact(begin_alone)

    def transaction(self, work: Callable[[Connection], Result]) -> Callable[[], Result]:
        """A function that runs `work` in a transaction; it may be called again after CatalogueAway."""
        return partial(self._transact, work)

    def close(self) -> None:
        """Closes the file and lets go of it."""
        self._engine.dispose()
        self._lock.close()

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except OperationalError as error:
            # The low byte is the kind, the others say more of it.
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in _PASSING:
                raise
            raise CatalogueAway(str(error.orig)) from error


def _lock(path: Path) -> IO[str]:
    handle = path.open("a")
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
