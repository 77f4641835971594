"""What a crawler does with a catalogue that nobody else has open: it is brought to the newest version, and tidied."""

from __future__ import annotations

from sqlalchemy import Connection, delete, update

from services.crawler.catalogue import crawl_sources, frontier
from services.crawler.catalogue.migrating import migrate
from services.crawler.catalogue.schema import hosts, writers


def begin_alone(connection: Connection) -> None:
    """Runs the migrations that are missing, and gives back whatever an earlier crawler held.

    Raises:
        NotACatalogue: It is of a newer version, or another application's.
    """
    migrate(connection)
    frontier.release_all(connection)
    crawl_sources.release_all(connection)
    connection.execute(update(hosts).values(owner=None, expire_time=None, wanted_time=None))
    connection.execute(delete(writers))
