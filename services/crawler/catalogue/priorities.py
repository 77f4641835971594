"""Priorities of a crawl's sources: what is leased first, and how a change reaches what is to do already."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, update

from services.crawler.catalogue.database import Database
from services.crawler.catalogue.row_locks import lock_in_order
from services.crawler.catalogue.schema import crawl_listings, crawl_sources
from services.crawler.source_settings import require_priority
from services.servicekit.errors import FailedPrecondition, NotFound

# So few that whoever accepts an image waits for a moment only.
_MOVED_AT_ONCE = 1_000


def set_priority(
    connection: Connection, crawl_id: str, uris: Collection[str], priority: int
) -> None:
    """Gives sources of a crawl a priority, all of them if none is named.

    What they have to do already follows by `move_listings`.

    Raises:
        InvalidInput: The priority is out of range.
        NotFound: The crawl has no such source.
        FailedPrecondition: It has no sources at all.
    """
    require_priority(priority)
    of_crawl = crawl_sources.c.crawl_id == crawl_id
    present = set(connection.scalars(select(crawl_sources.c.uri).where(of_crawl)))
    if not present:
        message = f"crawl {crawl_id} has no sources that could go first"
        raise FailedPrecondition(message)
    for uri in uris:
        if uri not in present:
            kind = f"source of crawl {crawl_id}"
            raise NotFound(kind, uri)
    chosen = and_(of_crawl, crawl_sources.c.uri.in_(uris)) if uris else of_crawl
    lock_in_order(connection, crawl_sources, chosen)
    connection.execute(update(crawl_sources).where(chosen).values(priority=priority))


async def move_all(database: Database, crawl_id: str) -> None:
    """Gives all that a crawl has to do the priority of its source, in small transactions, others between them."""
    for position in await database.run(partial(_list_stale, crawl_id=crawl_id)):
        move = partial(move_listings, crawl_id=crawl_id, position=position, limit=_MOVED_AT_ONCE)
        while await database.run(move) == _MOVED_AT_ONCE:
            pass


def move_listings(connection: Connection, crawl_id: str, position: int, *, limit: int) -> int:
    """Gives up to `limit` listings that a source has to do the priority that it has now. Returns how many.

    What another transaction ends just now is passed over.
    """
    priority = get_priority(connection, crawl_id, position)
    moved = 0
    # Each of the two is one range of an index, which what was moved already is not in.
    for is_stale in (crawl_listings.c.priority < priority, crawl_listings.c.priority > priority):
        stale = (
            select(crawl_listings.c.listing_id)
            .where(*_to_do(crawl_id), crawl_listings.c.position == position, is_stale)
            .limit(limit - moved)
            .with_for_update(skip_locked=True)
        )
        listing_ids = list(connection.scalars(stale))
        moved += len(listing_ids)
        which = and_(
            crawl_listings.c.crawl_id == crawl_id, crawl_listings.c.listing_id.in_(listing_ids)
        )
        connection.execute(update(crawl_listings).where(which).values(priority=priority))
    return moved


def count_ahead(connection: Connection, crawl_id: str, position: int) -> int:
    """How many listings of a crawl that are to do go before those that a source would add now."""
    query = (
        select(func.count())
        .select_from(crawl_listings)
        .where(
            *_to_do(crawl_id),
            crawl_listings.c.priority >= _priority_of(crawl_id, position).scalar_subquery(),
        )
    )
    return int(connection.execute(query).scalar_one())


def get_priority(connection: Connection, crawl_id: str, position: int) -> int:
    """The priority that a source of a crawl has now."""
    return connection.execute(_priority_of(crawl_id, position)).scalar_one()


def _list_stale(connection: Connection, crawl_id: str) -> Sequence[int]:
    """The sources of a crawl that have something to do under another priority than theirs, by position."""
    of_source = (*_to_do(crawl_id), crawl_listings.c.position == crawl_sources.c.position)
    # Each of the two is one range of an index: `!=` would read all that is to do.
    is_stale = or_(
        exists().where(*of_source, crawl_listings.c.priority < crawl_sources.c.priority),
        exists().where(*of_source, crawl_listings.c.priority > crawl_sources.c.priority),
    )
    query = select(crawl_sources.c.position).where(crawl_sources.c.crawl_id == crawl_id, is_stale)
    return connection.scalars(query.order_by(crawl_sources.c.position)).all()


def _priority_of(crawl_id: str, position: int) -> Select[int]:
    return select(crawl_sources.c.priority).where(
        crawl_sources.c.crawl_id == crawl_id, crawl_sources.c.position == position
    )


def _to_do(crawl_id: str) -> tuple[ColumnElement[bool], ...]:
    return (crawl_listings.c.crawl_id == crawl_id, crawl_listings.c.sequence.is_(None))
