"""What the catalogue's tables are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Index, Integer, MetaData, TextClause

from services.crawler.catalogue.text_columns import String

metadata = MetaData()

# SQLite counts only an INTEGER primary key by itself.
Id = BigInteger().with_variant(Integer, "sqlite")
Digest = String(64)


def index_of(which: TextClause, name: str, *columns: str | ColumnElement[Any]) -> Index:
    """An index of some rows alone."""
    return Index(name, *columns, sqlite_where=which, postgresql_where=which)
