"""One piece of work on its way into a PostgreSQL database, committed once whatever happens to the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from services.crawler.catalogue.outage import CatalogueAway

Result = TypeVar("Result")

# SQLSTATE classes and codes: connection, resources (a full disk among them), shutdown, the server's system, read-only.
_AWAY = ("08", "53", "57P", "58", "25006")
# Serialization, deadlock, lock timeout, a transaction that was idle for too long.
_CONFLICTS = ("40001", "40P01", "55P03", "25P03")
_CONFLICTS_MAX = 10
# How a refusal begins, and what else is no matter of time.
_NEVER = ("FATAL:", "does not support SSL", "certificate", "invalid ")
# What a server that lets nobody in for now says.
_NOT_YET = (
    *("starting up", "shutting down", "recovery", "not yet accepting"),
    *("too many", "connection slots"),
)

_GET_COMMIT = text("SELECT commit_number FROM writers WHERE writer = :writer")
# Only a transaction that has written something has a number by then: what only reads needs none.
_COUNT_COMMIT = text(
    "UPDATE writers SET commit_number = commit_number + 1,"
    " seen_time = extract(epoch FROM clock_timestamp())"
    " WHERE writer = :writer AND pg_current_xact_id_if_assigned() IS NOT NULL"
    " RETURNING commit_number"
)


class PostgresTransaction(Generic[Result]):
    """Runs work in a transaction when it is called, and may be called again if that failed for a reason that passes.

    When the connection breaks in COMMIT, nobody says whether it was done. So each transaction that writes counts up a
    row of its process: the next call, which has a connection only once the last one is over, looks there first.
    """

    def __init__(
        self,
        engine: Engine,
        writer: str,
        work: Callable[[Connection], Result],
        *,
        is_first: bool = False,
    ) -> None:
        """Takes the process's name in `writers`; `is_first` if `work` writes it there itself."""
        self._engine = engine
        self._writer = {"writer": writer}
        self._work = work
        self._is_first = is_first
        self._sent: tuple[int, Result] | None = None
        self._conflicts = 0

    def __call__(self) -> Result:
        """Returns what the work returned.

        Raises:
            CatalogueAway: It may be called again.
        """
        try:
            return self._attempt()
        except DBAPIError as error:
            if not self._is_passing(error):
                raise
            raise CatalogueAway(" ".join(str(error.orig).split())) from error

    def _attempt(self) -> Result:
        with self._engine.connect() as connection:
            if self._sent is not None:
                number, result = self._sent
                committed = connection.execute(_GET_COMMIT, self._writer).scalar_one()
                connection.rollback()
                if committed >= number:
                    return result
                self._sent = None
            with connection.begin():
                result = self._work(connection)
                counted = self._count(connection)
                if counted is not None:
                    self._sent = counted, result
        return result

    def _count(self, connection: Connection) -> int | None:
        if self._is_first:
            return None
        return connection.execute(_COUNT_COMMIT, self._writer).scalar_one_or_none()

    def _is_passing(self, error: DBAPIError) -> bool:
        state: str | None = getattr(error.orig, "sqlstate", None)
        if state in _CONFLICTS:
            self._conflicts += 1
            return self._conflicts < _CONFLICTS_MAX
        if state is not None:
            return state.startswith(_AWAY)
        return error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError)


def refuses_for_good(said: str) -> bool:
    """Whether a connection failed because a server, or libpq itself, never lets in whoever asks like this.

    libpq tells no SQLSTATE of a failed connection, only words; a server that speaks another language than English is
    asked again for a while in vain.
    """
    return any(words in said for words in _NEVER) and not any(words in said for words in _NOT_YET)
