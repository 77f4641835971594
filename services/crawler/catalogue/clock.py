"""The catalogue's clock: leases of several crawlers go by one."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

# Not the time at which the transaction began: it may have waited for a lock.
_NOW = text("SELECT extract(epoch FROM clock_timestamp())::float8")


def catalogue_time(connection: Connection) -> float:
    """The time, seconds since 1970: the server's, or that of this machine, which alone uses a SQLite file."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(_NOW).scalar_one())
    return time.time()
