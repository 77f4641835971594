"""Statements for many rows or values at once, in both dialects, built once.

A PostgreSQL server gets one array for each column and makes rows of them: one round trip and one plan, however many
they are, and always the same text, which it needs to parse once. SQLite, which has no round trips, gets one row after
the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    Float,
    FromClause,
    Table,
    any_,
    bindparam,
    column,
    func,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from services.crawler.catalogue.text_columns import String, Text
from services.crawler.catalogue.upsert import INSERTS, NewInsert

Types: TypeAlias = Mapping[str, TypeEngine[Any]]
# Whether a column has one of the values that a parameter lists.
Among: TypeAlias = Callable[[ColumnElement[Any], str], ColumnElement[bool]]


class Given(Protocol):
    """The rows that a statement is run for, as it refers to them.

    Attributes:
        insert: Makes an INSERT that the database understands.
        order: What a SELECT of them is to be ordered by, to keep their order.
    """

    insert: NewInsert
    order: tuple[ColumnElement[Any], ...]

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """A value of each row."""
        ...

    def with_each_of(self, table: Table) -> FromClause:
        """Every pair of a given row and one of a table."""
        ...

    def into(self, table: Table) -> postgresql.Insert:
        """The beginning of an INSERT of the rows, whose names are those of the table's columns, in their order."""
        ...

    def numbered_into(self, table: Table, key: str) -> postgresql.Insert:
        """The same for a table that numbers its rows: the numbers are in their order, and the rows in that of a key.

        Two crawlers that insert rows with the same keys do not wait for each other then.
        """
        ...


class Many:
    """A statement that is run for many rows."""

    def __init__(self, types: Types, build: Callable[[Given], Executable]) -> None:
        """Takes the names and types of what each row has, and what builds the statement, once for each dialect."""
        self._names = tuple(types)
        self._floats = {name for name, kind in types.items() if isinstance(kind, Float)}
        self._each, self._together = build(_Each(types)), build(_Arrays(types))

    def run(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]], **alike: object
    ) -> CursorResult[Any]:
        """Runs it for all rows, of which there is one at least.

        Args:
            connection: Of the transaction.
            rows: The values of each, by name.
            alike: Parameters that are the same for all.
        """
        if connection.dialect.name == "postgresql":
            arrays = {name: self._array(name, rows) for name in self._names}
            return connection.execute(self._together, arrays | alike)
        # SQLAlchemy takes what else a row has for columns to write.
        each = [{name: row[name] for name in self._names} | alike for row in rows]
        return connection.execute(self._each, each)

    def _array(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        values = [row[name] for row in rows]
        if name in self._floats:
            # An array has one type, and 1 is another one than 1.5.
            return [None if value is None else float(value) for value in values]
        return values


class Lookup:
    """A statement that looks up whatever a parameter lists."""

    def __init__(self, build: Callable[[Among], Executable]) -> None:
        """Takes what builds the statement, once for each dialect."""
        self._statements = {"postgresql": build(_in_array), "sqlite": build(_in_list)}

    def run(self, connection: Connection, **parameters: object) -> CursorResult[Any]:
        """Runs it; a list may be empty."""
        return connection.execute(self._statements[connection.dialect.name], parameters)


def types_of(table: Table, names: Sequence[str]) -> Types:
    """The types of a table's columns."""
    return {name: table.c[name].type for name in names}


class _Each:
    """One row, as parameters."""

    order: tuple[ColumnElement[Any], ...] = ()

    def __init__(self, types: Types) -> None:
        self.insert = INSERTS["sqlite"]
        self._types = types

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        return bindparam(name, type_=self._types[name])

    def with_each_of(self, table: Table) -> FromClause:
        return table

    def into(self, table: Table) -> postgresql.Insert:
        return self.insert(table)

    def numbered_into(self, table: Table, key: str) -> postgresql.Insert:  # noqa: ARG002 - there is one writer
        return self.insert(table)


class _Arrays:
    """All rows, made of a parameter for each column."""

    def __init__(self, types: Types) -> None:
        arrays = (bindparam(name, type_=_array_of(kind)) for name, kind in types.items())
        columns = (column(name, kind) for name, kind in types.items())
        made = func.unnest(*arrays).table_valued(*columns, with_ordinality="place_of_row")
        self._rows = made.render_derived(name="given")
        self._names = list(types)
        self.insert = INSERTS["postgresql"]
        self.order: tuple[ColumnElement[Any], ...] = (self._rows.c.place_of_row,)

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        return self._rows.c[name]

    def with_each_of(self, table: Table) -> FromClause:
        return self._rows.join(table, true())

    def into(self, table: Table) -> postgresql.Insert:
        rows = select(*(self[name] for name in self._names)).order_by(*self.order)
        return self.insert(table).from_select(self._names, rows)

    def numbered_into(self, table: Table, key: str) -> postgresql.Insert:
        [number] = table.primary_key.columns
        given = func.nextval(func.pg_get_serial_sequence(table.name, number.name))
        # A server calls what is volatile after it has sorted the rows of its SELECT.
        numbered = (
            select(given.label(number.name), *(self[name] for name in self._names))
            .order_by(*self.order)
            .subquery("numbered")
        )
        rows = select(numbered).order_by(numbered.c[key])
        return self.insert(table).from_select([number.name, *self._names], rows)


def _array_of(kind: TypeEngine[Any]) -> postgresql.ARRAY[Any]:
    # Text is not cut off at a column's length: what is too long is refused.
    return postgresql.ARRAY(Text() if isinstance(kind, String) else kind)


def _in_array(of: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    return of == any_(bindparam(name, type_=_array_of(of.type)))


def _in_list(of: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    return of.in_(bindparam(name, expanding=True))
