"""The catalogue's database: opened once, migrated, and used by one thread."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError

from services.servicekit.errors import Misconfigured

Result = TypeVar("Result")

_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """The SQLite catalogue of one data folder.

    Every piece of work runs as one IMMEDIATE transaction in one thread: it is the one writer, and what it returned is
    on the disk (WAL, synchronous=FULL).
    """

    def __init__(self, path: Path) -> None:
        """Opens or creates the catalogue and brings it to the newest version.

        Raises:
            Misconfigured: Another crawler has it open, it is no catalogue, or it is of a newer version.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path.with_suffix(".lock"))
        self._engine = _engine(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalogue")
        try:
            self._thread.submit(_migrate, self._engine).result()
        except Exception as error:
            self.close()
            message = f"{path} is not a catalogue of this version: {str(error).splitlines()[0]}"
            raise Misconfigured(message) from error

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Runs `work` in a transaction of its own; an exception rolls it back."""
        loop = asyncio.get_running_loop()
        # Shielded: a transaction whose caller was cancelled still ends, before the next one begins.
        return await asyncio.shield(loop.run_in_executor(self._thread, self._in_transaction, work))

    def close(self) -> None:
        """Ends the thread, closes the file and lets go of the lock."""
        self._thread.shutdown(wait=True)
        self._engine.dispose()
        self._lock.close()

    def _in_transaction(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.begin() as connection:
            return work(connection)


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


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except DatabaseError as error:
            raise ValueError(str(error.orig)) from error
