"""The catalogue in a PostgreSQL database: one connection of each crawler, which holds locks while the crawler lives."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from services.crawler.catalogue.beginning import give_back_all
from services.crawler.catalogue.migrating import NotACatalogue, is_newest, migrate
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
# A crawler that was stopped in a transaction holds others up for seconds. What is committed is on the server's disk.
# A plan that was made while a catalogue was small reads all of it when it is large: each statement gets its own.
_SESSION = """
    SET statement_timeout = '5min';
    SET lock_timeout = '30s';
    SET idle_in_transaction_session_timeout = '5s';
    SET plan_cache_mode = force_custom_plan;
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
    SELECT set_config('synchronous_commit', 'on', false)
      WHERE current_setting('synchronous_commit') = 'off';
"""
# "Lode" in ASCII, and the schema: two catalogues may share a database. Crawlers share this lock; whoever migrates or
# repairs has it to himself.
_KEY = "1282368613, hashtext(coalesce(current_schema(), ''))"
_TAKE = f"SELECT pg_try_advisory_lock({_KEY})"
_LET_GO = f"SELECT pg_advisory_unlock({_KEY})"
_SHARE = f"SELECT pg_try_advisory_lock_shared({_KEY})"
# Of the process: what an earlier connection of its own was doing is over once the next one has it.
_TAKE_OWN = "SELECT pg_try_advisory_lock(1282368615, hashtext(%s))"
_END_EARLIER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = %s AND pid <> pg_backend_pid()
"""
_GET_COMMIT = "SELECT commit_number FROM writers WHERE writer = %s"
_REGISTER = text(
    "INSERT INTO writers (writer, commit_number, seen_time)"
    " VALUES (:writer, 0, extract(epoch FROM clock_timestamp())) ON CONFLICT DO NOTHING"
)
_TAKEN = "somebody has it to himself: another crawler that begins, or a repair"


class CatalogueLost(Broken):
    """A crawler began while this one was away, and took it for dead: what it remembers and holds may be wrong."""

    def __init__(self) -> None:
        super().__init__("the catalogue was taken over while it could not be reached")


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

    The connection takes advisory locks of the session: one that all crawlers share, so that nobody migrates or repairs
    meanwhile, and one of its process, so that whatever it was doing is over before the process's next connection.

    Attributes:
        name: What a message calls it, without the password.
        is_shared: Whether other crawlers may have it open at the same time: always.
        was_alone: Whether no other crawler had it open when it was opened.
    """

    is_shared = True

    def __init__(self, url: URL) -> None:
        """Connects to nothing yet."""
        self.name = server_name(url)
        self._writer = uuid.uuid4().hex
        # Truncated at 63 bytes by the server.
        self._application = f"lodestone-crawler {self._writer}"
        self._opened = self._lost = self.was_alone = False
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
        """Brings the catalogue to the newest version, or joins others, and writes that this process is there."""
        prepare = PostgresTransaction(self._engine, self._writer, self._prepare, is_first=True)
        self.was_alone = prepare()
        self._opened = True
        if self.was_alone:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(_SHARE)
                connection.exec_driver_sql(_LET_GO)

    def transaction(self, work: Callable[[Connection], Result]) -> Callable[[], Result]:
        """A function that runs `work` in a transaction; called again after CatalogueAway, it commits once all the same.

        It raises CatalogueLost once another crawler has had the catalogue.
        """
        return PostgresTransaction(self._engine, self._writer, work)

    def close(self) -> None:
        """Closes the connection, and with it lets go of the lock."""
        self._engine.dispose()

    def _prepare(self, connection: Connection) -> bool:
        """Returns whether no other crawler has it open."""
        # A migration of a large catalogue takes as long as it takes.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise NotACatalogue(f"its encoding is {encoding}: make one with ENCODING 'UTF8'")
        is_alone = bool(connection.exec_driver_sql(_TAKE).scalar_one())
        if is_alone:
            migrate(connection)
            give_back_all(connection)
        elif not connection.exec_driver_sql(_SHARE).scalar_one():
            raise CatalogueAway(_TAKEN)
        elif not is_newest(connection):
            raise CatalogueAway("crawlers of another version use it")
        connection.execute(_REGISTER, {"writer": self._writer})
        return is_alone

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
        # As text each element is searched for what to escape, and what are bytes become twice as many.
        connection.adapters.register_dumper(list, ListBinaryDumper)
        connection.execute(_SESSION)
        if connection.execute(_TAKE_OWN, [self._writer]).fetchone() != (True,):
            connection.execute(_END_EARLIER, [self._application])
            connection.commit()
            raise CatalogueAway("an earlier connection is not closed yet")
        if self._opened:
            self._rejoin(connection)
        connection.commit()

    def _rejoin(self, connection: psycopg.Connection[Any]) -> None:
        if connection.execute(_SHARE).fetchone() != (True,):
            raise CatalogueAway(_TAKEN)
        if connection.execute(_GET_COMMIT, [self._writer]).fetchone() is None:
            self._lost = True
            raise CatalogueLost
