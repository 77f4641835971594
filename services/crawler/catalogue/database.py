"""The catalogue's database: opened once, migrated, and used by one thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from services.crawler.catalogue.migrating import NotACatalogue
from services.crawler.catalogue.outage import CatalogueAway, Outage
from services.crawler.catalogue.postgres_server import PostgresServer
from services.crawler.catalogue.sqlite_file import SqliteFile
from services.servicekit.errors import Misconfigured

Result = TypeVar("Result")

_PATIENCE_S = 30.0
_CAUSE_CHARACTERS = 300


class _Engine(Protocol):
    """A kind of database."""

    name: str

    @property
    def is_shared(self) -> bool: ...
    @property
    def was_alone(self) -> bool: ...
    def open(self) -> None: ...
    def transaction(self, work: Callable[[Connection], Result]) -> Callable[[], Result]: ...
    def close(self) -> None: ...


class Database:
    """The catalogue: the SQLite file of a data folder, or a PostgreSQL database.

    Every piece of work runs as one transaction in one thread, and what it returned is on the disk. While the database
    is away, work waits. It may run several times before it is committed, which happens once. A SQLite file has one
    crawler, a PostgreSQL database any number.
    """

    def __init__(self, place: Path | URL, *, patience_s: float = _PATIENCE_S) -> None:
        """Opens or creates the catalogue and brings it to the newest version.

        Args:
            place: The file, or the address that `parse_server` gives.
            patience_s: For how long to wait for a database that is away or that somebody has to himself, seconds.

        Raises:
            Misconfigured: Somebody has it to himself, it is away, it is no catalogue, or it is of another version.
        """
        self._outage = Outage()
        self._engine: _Engine = (
            SqliteFile(place) if isinstance(place, Path) else PostgresServer(place)
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalogue")
        try:
            self._thread.submit(self._open, time.monotonic() + patience_s).result()
        except BaseException:
            self.close()
            raise

    @property
    def is_shared(self) -> bool:
        """Whether other crawlers may have it open at the same time."""
        return self._engine.is_shared

    @property
    def was_alone(self) -> bool:
        """Whether no other crawler had it open when this one began."""
        return self._engine.was_alone

    @property
    def waits_for(self) -> str:
        """Why nothing can be read or written just now, one line; empty while all is well."""
        return self._outage.cause

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Runs `work` in a transaction of its own; an exception rolls it back.

        `work` changes nothing but the catalogue: a transaction that failed for a reason that passes is run again.
        """
        loop = asyncio.get_running_loop()
        # Shielded: a transaction whose caller was cancelled still ends, before the next one begins.
        return await asyncio.shield(loop.run_in_executor(self._thread, self._in_transaction, work))

    def close(self) -> None:
        """Ends the thread, closes the database and lets go of it. Whoever waits for a database that is away is told."""
        self._outage.give_up()
        self._thread.shutdown(wait=True)
        self._engine.close()

    def _open(self, deadline_s: float) -> None:
        try:
            self._until(self._engine.open, deadline_s)
        except (CatalogueAway, DBAPIError, NotACatalogue) as error:
            message = f"{self._engine.name} cannot be used as a catalogue: {_cause(error)}"
            raise Misconfigured(message) from error

    def _in_transaction(self, work: Callable[[Connection], Result]) -> Result:
        return self._until(self._engine.transaction(work))

    def _until(self, attempt: Callable[[], Result], deadline_s: float | None = None) -> Result:
        """Tries until it succeeds or fails for good."""
        while True:
            try:
                result = attempt()
            except CatalogueAway as away:
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    raise
                self._outage.wait(away)
            except Exception:
                # It answers, and so does not have to be waited for.
                self._outage.end()
                raise
            else:
                self._outage.end()
                return result


def _cause(error: CatalogueAway | DBAPIError | NotACatalogue) -> str:
    if isinstance(error, CatalogueAway):
        return error.cause
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    return " ".join(text.split())[:_CAUSE_CHARACTERS]
