"""The catalogue in a PostgreSQL database that is only read, whatever crawlers do there meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from services.crawler.catalogue.postgres_server import server_name
from services.crawler.catalogue.schema import metadata
from services.crawler.verifying.catalogue_reading import (
    CatalogueDamaged,
    CatalogueUnreadable,
    require_version,
)
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.server_engine import make_engine, said_by
from services.servicekit.errors import LodestoneError

# Nothing here waits for a lock for long, and nothing forgotten keeps the server from tidying up. What is asked for is
# read to its end, so that plans which are quick to begin are no good. Rows of millions are joined.
_SESSION = """
    SET lock_timeout = '10s';
    SET statement_timeout = '1h';
    SET idle_in_transaction_session_timeout = '10min';
    SET cursor_tuple_fraction = 1;
    SET work_mem = '64MB';
"""
_ROWS_AT_ONCE = 1_000
# data_corrupted, index_corrupted.
_DAMAGED = ("XX001", "XX002")


class CatalogueServer:
    """Opened read-only: each read is a REPEATABLE READ transaction of its own, which locks nothing that others need."""

    def __init__(self, url: URL) -> None:
        """Connects.

        Raises:
            CatalogueUnreadable: It is away, refuses, is no catalogue, or is of another version.
        """
        self._name = server_name(url)
        self._engine = make_engine(url, "lodestone-verify", _SESSION, "REPEATABLE READ")
        try:
            with self.read() as connection:
                require_version(connection, self._name)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One state of the catalogue; see `Catalogue.read`."""
        try:
            with self._engine.connect() as connection:
                connection.execution_options(
                    postgresql_readonly=True, stream_results=True, max_row_buffer=_ROWS_AT_ONCE
                )
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise self._typed(error) from error

    def damage(self) -> list[Problem]:
        """Reads every value once, a table at a time: the server checks what it has stored as it reads it."""
        found = []
        for table in metadata.sorted_tables:
            query = f"SELECT sum(hashtext(one::text)) FROM {table.name} AS one"  # noqa: S608 - our own names
            try:
                with self.read() as connection:
                    connection.exec_driver_sql(query).scalar_one()
            except CatalogueDamaged as error:
                message = f"table {table.name}: {error.cause}"
                found.append(Problem(ProblemKind.CATALOGUE_DAMAGED, message))
        return found

    def close(self) -> None:
        """Lets go of it."""
        self._engine.dispose()

    def _typed(self, error: DBAPIError) -> LodestoneError:
        said = said_by(error)
        if getattr(error.orig, "sqlstate", None) in _DAMAGED:
            return CatalogueDamaged(said)
        return CatalogueUnreadable(self._name, f"cannot be read: {said}")
