"""The catalogue as a file that is only read, whether a crawler has it open or not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from services.crawler.verifying.catalogue_reading import (
    CatalogueDamaged,
    CatalogueUnreadable,
    require_version,
)
from services.crawler.verifying.problem import Problem, ProblemKind
from services.servicekit.errors import LodestoneError

_LINES = 100
_WAIT_S = 10.0


class CatalogueFile:
    """Opened read-only; its close leaves no row changed, whatever was read."""

    def __init__(self, path: Path) -> None:
        """Opens it.

        Raises:
            CatalogueUnreadable: It is not there, no catalogue, of another version, or locked.
            CatalogueDamaged: Not even its version can be read.
        """
        if not path.is_file():
            raise CatalogueUnreadable(path, "is not there")
        self._path = path
        self._engine = _engine(path)
        with self.read() as connection:
            require_version(connection, path)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One state of the catalogue, whatever is written meanwhile.

        Raises:
            CatalogueUnreadable: It is locked, or cannot be read.
            CatalogueDamaged: SQLite comes upon damage.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise self._typed(error) from error

    def damage(self) -> list[Problem]:
        """What SQLite's own check finds, 100 lines at most; that, and only that, is not looked for anywhere else."""
        try:
            with self.read() as connection:
                lines = connection.exec_driver_sql(f"PRAGMA integrity_check({_LINES})").scalars()
                found = [line for text in lines for line in text.splitlines()]
        except CatalogueDamaged as error:
            found = [error.cause]
        return [Problem(ProblemKind.CATALOGUE_DAMAGED, line) for line in found if line != "ok"]

    def close(self) -> None:
        """Lets go of it."""
        self._engine.dispose()

    def _typed(self, error: DBAPIError) -> LodestoneError:
        said = str(error.orig).splitlines()[0]
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_CORRUPT:
            return CatalogueDamaged(said)
        if code == sqlite3.SQLITE_NOTADB:
            return CatalogueUnreadable(self._path, "is no SQLite database")
        return CatalogueUnreadable(self._path, f"cannot be read: {said}")


def _engine(path: Path) -> Engine:
    address = f"{path.resolve().as_uri()}?{_mode(path)}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_WAIT_S)
        # Damage within a text is for the checks to find.
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _mode(path: Path) -> str:
    # SQLite reads a catalogue in WAL mode through a file beside it, which it must be able to make. Where it cannot, and
    # no crawler has left one, nobody writes either.
    is_at_rest = not path.with_name(f"{path.name}-wal").exists()
    return "immutable=1" if is_at_rest and not os.access(path.parent, os.W_OK) else "mode=ro"
