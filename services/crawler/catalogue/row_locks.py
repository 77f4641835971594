"""Locks of rows in one order, so that two crawlers do not wait for each other."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, select


def lock_in_order(connection: Connection, table: Table, *which: ColumnElement[bool]) -> None:
    """Locks the rows that an UPDATE is to change next, by their keys: it would take them as it comes upon them.

    SQLite has one writer, who has all rows.
    """
    if connection.dialect.name == "postgresql":
        key = table.primary_key.columns
        locked = select(*key).where(*which).order_by(*key).with_for_update(key_share=True)
        connection.execute(locked)
