"""Copies a catalogue into an empty one on another database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Table, func, insert, select

from services.crawler.catalogue.schema import crawls, hosts, listings, metadata, writers
from services.servicekit.errors import FailedPrecondition

_AT_ONCE: Final = 1_000


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
    _go_on_counting(target, table)
    return count


def _go_on_counting(target: Connection, table: Table) -> None:
    """The next number that PostgreSQL gives is above those that were copied; SQLite sees to it by itself."""
    column = table.autoincrement_column
    if column is None or target.dialect.name != "postgresql":
        return
    sequence = func.pg_get_serial_sequence(table.name, column.name)
    last = select(func.coalesce(func.max(column), 0)).scalar_subquery()
    target.execute(select(func.setval(sequence, last + 1, False)))
