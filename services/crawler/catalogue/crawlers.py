"""Which crawlers work on the catalogue just now."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, func, select, text

from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.schema import writers

# A crawler that was not heard of for so long is not counted.
SILENT_S: Final = 30.0
# One that was not heard of for so long does not come back.
_GONE_S = 86_400.0

# A transaction that has a number counts as one that writes: its commit is noted, and when.
_TAKE_NUMBER = text("SELECT pg_current_xact_id()")


def count_crawlers(connection: Connection) -> int:
    """Says that this crawler is there, and returns how many are; a SQLite file has one."""
    if connection.dialect.name != "postgresql":
        return 1
    connection.execute(_TAKE_NUMBER)
    now = catalogue_time(connection)
    connection.execute(delete(writers).where(writers.c.seen_time < now - _GONE_S))
    heard = writers.c.seen_time > now - SILENT_S
    count = connection.execute(select(func.count()).select_from(writers).where(heard)).scalar_one()
    return max(1, count)
