"""Copies a catalogue into an empty one on another database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Table, func, insert, select, text

from services.crawler.catalogue.schema import crawls, hosts, listings, metadata, writers
from services.servicekit.errors import FailedPrecondition

_AT_ONCE: Final = 1_000
# SQLite's own.
_LAST_GIVEN: Final = text("SELECT seq FROM sqlite_sequence WHERE name = :name")


class NotEmpty(FailedPrecondition):
    """There is something in the catalogue that is to be copied into."""

    def __init__(self) -> None:
        super().__init__("the catalogue to copy into is not empty: give an empty database")


def copy_catalogue(source: Connection, target: Connection) -> int:
    """Copies every row; all of them or, with the target's transaction, none. Returns how many.

    Raises:
        NotEmpty: The target has crawls or listings.
    """
    for table in (crawls, listings):
        if target.execute(select(table.primary_key.columns[0]).limit(1)).first() is not None:
            raise NotEmpty
    # Rows that others refer to go first.
    tables = [table for table in metadata.sorted_tables if table not in (hosts, writers)]
    return sum(_copy(source, target, table) for table in tables)


def _copy(source: Connection, target: Connection, table: Table) -> int:
    columns = [column for column in table.columns if not column.system]
    # What has a position is numbered anew, in the same order.
    order = [column for column in table.columns if column.system] or list(table.primary_key)
    query = select(*columns).order_by(*order).execution_options(yield_per=_AT_ONCE)
    count = 0
    for page in source.execute(query).mappings().partitions():
        target.execute(insert(table), [dict(row) for row in page])
        count += len(page)
    _go_on_counting(target, table, _last_given(source, table))
    return count


def _go_on_counting(target: Connection, table: Table, last_given: int) -> None:
    """The next number that PostgreSQL gives is above those that were copied; SQLite sees to it by itself."""
    column = table.autoincrement_column
    if column is None or target.dialect.name != "postgresql":
        return
    sequence = func.pg_get_serial_sequence(table.name, column.name)
    last = target.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
    target.execute(select(func.setval(sequence, max(last, last_given) + 1, False)))


def _last_given(source: Connection, table: Table) -> int:
    """The last number that SQLite gave, also if its row was purged; 0 where it does not keep that."""
    if source.dialect.name != "sqlite":
        return 0
    return source.execute(_LAST_GIVEN, {"name": table.name}).scalar_one_or_none() or 0
