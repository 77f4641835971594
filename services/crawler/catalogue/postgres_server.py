"""The catalogue in a PostgreSQL database: one connection, which holds a lock while the crawler lives."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from services.crawler.catalogue.migrating import NotACatalogue, migrate
from services.crawler.catalogue.outage import CatalogueAway
from services.crawler.catalogue.postgres_transaction import PostgresTransaction, refuses_for_good
from services.servicekit.errors import Broken, Misconfigured

Result = TypeVar("Result")

_SCHEMES = ("postgres", "postgresql")
# What the address may say otherwise. A server that vanished is noticed within half a minute, at both ends (below).
_CONNECT = {
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
# A crawler that was stopped inside a transaction holds nothing up for long. Committed is what is on the server's disk.
# A plan that was made while a catalogue was small reads all of it when it is large: each statement gets its own.
_SESSION = """
    SET statement_timeout = '5min';
    SET lock_timeout = '30s';
    SET idle_in_transaction_session_timeout = '1min';
    SET plan_cache_mode = force_custom_plan;
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
    SELECT set_config('synchronous_commit', 'on', false)
      WHERE current_setting('synchronous_commit') = 'off';
"""
# "Lode" in ASCII, and the schema: two catalogues may share a database.
_TAKE = "SELECT pg_try_advisory_lock(1282368613, hashtext(coalesce(current_schema(), '')))"
_END_EARLIER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = %s AND pid <> pg_backend_pid()
"""
_GET_COMMIT = "SELECT commit_number FROM writers WHERE writer = %s"
_REGISTER = text("INSERT INTO writers (writer, commit_number) VALUES (:writer, 0)")
_UNREGISTER_ALL = text("DELETE FROM writers")


class CatalogueLost(Broken):
    """Another crawler has had the catalogue since: what this process remembers of it may be wrong."""

    def __init__(self) -> None:
        super().__init__("another crawler has taken the catalogue over")


def parse_server(address: str) -> URL:
    """Reads `postgresql://user:password@host:port/database`; what libpq knows may follow after `?`.

    Raises:
        Misconfigured: It is no such address; the message does not repeat it, for it may have a password.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in _SCHEMES or not url.database:
        message = (
            "the catalogue is not an address like postgresql://user:password@host:5432/database"
        )
        raise Misconfigured(message)
    return url.set(drivername="postgresql+psycopg")


def server_name(url: URL) -> str:
    """What messages call a PostgreSQL database, without user and password."""
    place = url.host or url.query.get("host") or "this machine"
    return f"the PostgreSQL database {url.database!r} on {place}"


class PostgresServer:
    """One READ COMMITTED transaction at a time, over one connection.

    The connection takes an advisory lock of the session: no other crawler has the catalogue while it is open, and
    whatever it was doing is over before the next connection has the lock.

    Attributes:
        name: What a message calls it, without the password.
    """

    def __init__(self, url: URL) -> None:
        """Connects to nothing yet."""
        self.name = server_name(url)
        self._writer = uuid.uuid4().hex
        # Truncated at 63 bytes by the server.
        self._application = f"lodestone-crawler {self._writer}"
        self._opened = self._lost = False
        self._engine = create_engine(
            url,
            creator=self._connect,
            isolation_level="READ COMMITTED",
            pool_size=1,
            max_overflow=0,
            use_native_hstore=False,
            # psycopg forgets how many rows an INSERT made when its cursor is closed.
            execution_options={"preserve_rowcount": True},
        )
        _, stated = self._engine.dialect.create_connect_args(url)
        named = {"application_name": self._application}
        self._arguments: dict[str, Any] = {**_CONNECT, **stated, **named}

    def open(self) -> None:
        """Creates the catalogue or brings it to the newest version, and writes that this process has it."""
        PostgresTransaction(self._engine, self._writer, self._prepare, is_first=True)()
        self._opened = True

    def transaction(self, work: Callable[[Connection], Result]) -> Callable[[], Result]:
        """A function that runs `work` in a transaction; called again after CatalogueAway, it commits once all the same.

        It raises CatalogueLost once another crawler has had the catalogue.
        """
        return PostgresTransaction(self._engine, self._writer, work)

    def close(self) -> None:
        """Closes the connection, and with it lets go of the lock."""
        self._engine.dispose()

    def _prepare(self, connection: Connection) -> None:
        # A migration of a large catalogue takes as long as it takes.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise NotACatalogue(f"its encoding is {encoding}: make one with ENCODING 'UTF8'")
        migrate(connection)
        connection.execute(_UNREGISTER_ALL)
        connection.execute(_REGISTER, {"writer": self._writer})

    def _connect(self) -> psycopg.Connection[Any]:
        if self._lost:
            raise CatalogueLost
        try:
            connection = psycopg.connect(**self._arguments)
        except psycopg.OperationalError as error:
            said = " ".join(str(error).split())
            if not self._opened and refuses_for_good(said):
                raise NotACatalogue(said) from error
            raise CatalogueAway(said) from error
        try:
            self._take(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(_SESSION)
        if connection.execute(_TAKE).fetchone() != (True,):
            self._end_earlier(connection)
        if self._opened and connection.execute(_GET_COMMIT, [self._writer]).fetchone() is None:
            self._lose()
        connection.commit()

    def _end_earlier(self, connection: psycopg.Connection[Any]) -> None:
        """The server may not have noticed that an earlier connection of this process is gone, or be committing it."""
        ended = connection.execute(_END_EARLIER, [self._application]).fetchall()
        connection.commit()
        if ended:
            raise CatalogueAway("an earlier connection is not closed yet")
        if self._opened:
            self._lose()
        raise CatalogueAway("another crawler uses it: one at a time can have it open")

    def _lose(self) -> None:
        self._lost = True
        raise CatalogueLost
