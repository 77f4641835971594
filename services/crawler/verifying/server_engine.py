"""Connections to a PostgreSQL server, for a check and its repairs."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

# What the address may say otherwise. A server that vanished is noticed within half a minute.
_CONNECT = {
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
_CHARACTERS = 300


def make_engine(
    url: URL,
    application: str,
    session: str,
    isolation: Literal["READ COMMITTED", "REPEATABLE READ"],
) -> Engine:
    """An engine with one connection at a time.

    Args:
        url: As `parse_server` gives it.
        application: What the server's own list of sessions calls it.
        session: Statements that each new connection begins with.
        isolation: Of each transaction.
    """
    named = {"application_name": application}
    engine = create_engine(
        url.set(query={**_CONNECT, **url.query, **named}),
        isolation_level=isolation,
        pool_size=1,
        max_overflow=0,
        # Hours may pass between two pages of a check.
        pool_pre_ping=True,
        use_native_hstore=False,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(session)
        cursor.close()
        connection.commit()

    return engine


def said_by(error: DBAPIError) -> str:
    """What the server, or the library that connects to it, says: one line; neither repeats a password."""
    return " ".join(str(error.orig).split())[:_CHARACTERS]
