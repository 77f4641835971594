"""Columns of text that any database takes, whoever wrote it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, TypeDecorator, types


class String(TypeDecorator[str]):
    """Text of so many characters at most; SQLite does not count them.

    NUL is left out, which PostgreSQL has not, and lone surrogates, which are no UTF-8, become `?`.
    """

    impl = types.String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Cleans what is written or compared."""
        if not isinstance(value, str) or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "").encode("utf-8", errors="replace").decode()


class Text(String):
    """The same without a limit."""

    impl = types.Text
    cache_ok = True
