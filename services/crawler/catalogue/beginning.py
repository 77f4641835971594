"""What a crawler does with a catalogue that nobody else has open: it gives back whatever an earlier one held."""

from __future__ import annotations

from sqlalchemy import Connection, delete, update

from services.crawler.catalogue import crawl_sources, frontier
from services.crawler.catalogue.schema import hosts, writers


def give_back_all(connection: Connection) -> None:
    """Frees all listings, sources and hosts, and forgets the crawlers that had them."""
    frontier.release_all(connection)
    crawl_sources.release_all(connection)
    connection.execute(update(hosts).values(owner=None, expire_time=None, wanted_time=None))
    connection.execute(delete(writers))
