"""A catalogue on PostgreSQL that no crawler can have while it is repaired."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from services.crawler.catalogue.postgres_server import server_name
from services.crawler.verifying.catalogue_reading import CatalogueUnreadable
from services.crawler.verifying.server_engine import make_engine, said_by
from services.servicekit.errors import Misconfigured

Result = TypeVar("Result")

# What is written is on the server's disk, and the lock is held through whatever a person does between two repairs.
_SESSION = """
    SET lock_timeout = '30s';
    SET statement_timeout = '5min';
    SET idle_in_transaction_session_timeout = '1min';
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
    SELECT set_config('synchronous_commit', 'on', false)
      WHERE current_setting('synchronous_commit') = 'off';
"""
# The lock that every crawler has, in `services/crawler/catalogue/postgres_server.py`.
_TAKE = text("SELECT pg_try_advisory_lock(1282368613, hashtext(coalesce(current_schema(), '')))")


class LockedCatalogue(Protocol):
    """A catalogue that may be written, and that no crawler has meanwhile."""

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Runs `work` in a transaction of its own."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


class LockedServer:
    """A LockedCatalogue over one connection, whose session has the lock."""

    def __init__(self, url: URL) -> None:
        """Takes the lock, or says who has it.

        Raises:
            Misconfigured: A crawler has the catalogue.
            CatalogueUnreadable: The server is away or refuses.
        """
        self._name = server_name(url)
        self._engine = make_engine(url, "lodestone-repair", _SESSION, "READ COMMITTED")
        try:
            self._connection = self._engine.connect()
            with self._connection.begin():
                is_taken = self._connection.execute(_TAKE).scalar_one()
        except DBAPIError as error:
            self._engine.dispose()
            raise CatalogueUnreadable(self._name, f"cannot be used: {said_by(error)}") from error
        if not is_taken:
            self.close()
            raise Misconfigured(f"a crawler uses {self._name}")

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Runs `work` in a transaction of its own.

        Raises:
            CatalogueUnreadable: The server failed; the lock may be gone, and with it the right to go on.
        """
        return await asyncio.to_thread(self._run, work)

    def close(self) -> None:
        """Ends the session, and with it the lock."""
        self._connection.close()
        self._engine.dispose()

    def _run(self, work: Callable[[Connection], Result]) -> Result:
        if self._connection.invalidated:
            raise CatalogueUnreadable(self._name, "has ended the session that had the lock")
        try:
            with self._connection.begin():
                return work(self._connection)
        except DBAPIError as error:
            raise CatalogueUnreadable(self._name, f"failed: {said_by(error)}") from error
