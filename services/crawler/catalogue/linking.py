"""Makes listings that the catalogue has a crawl's."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Integer, exists, literal, select, update

from services.crawler.catalogue.row_locks import lock_in_order
from services.crawler.catalogue.schema import crawl_listings, crawl_sources, crawls, listings
from services.crawler.catalogue.upsert import insert_on
from services.crawler.outcome import PASSING_REASONS


def link(
    connection: Connection, crawl_id: str, which: ColumnElement[bool], position: int | None = None
) -> int:
    """Makes listings a crawl's; those that failed for a reason that may have passed are to do again.

    Returns how many it did not have. `position` is that of the source that lists them, which gives them its priority.
    """
    _forget_passing_failures(connection, crawl_id, which)
    priority = select(crawl_sources.c.priority).where(
        crawl_sources.c.crawl_id == crawl_id, crawl_sources.c.position == position
    )
    chosen = select(
        literal(crawl_id),
        listings.c.listing_id,
        literal(value=False),
        literal(value=False),
        literal(position, Integer),
        literal(0) if position is None else priority.scalar_subquery(),
    )
    # In one order, so that two crawlers do not wait for each other.
    chosen = chosen.where(which).order_by(listings.c.listing_id)
    columns = ["crawl_id", "listing_id", "known", "repeated", "position", "priority"]
    new = (
        insert_on(connection)(crawl_listings).from_select(columns, chosen).on_conflict_do_nothing()
    )
    added = connection.execute(new).rowcount
    more = crawls.c.found_count + added
    connection.execute(update(crawls).where(crawls.c.crawl_id == crawl_id).values(found_count=more))
    return added


def _forget_passing_failures(
    connection: Connection, crawl_id: str, which: ColumnElement[bool]
) -> None:
    # Looked up by listing: SQLite would make a list of the whole crawl for `NOT IN`, at every step.
    is_listed = exists().where(
        crawl_listings.c.crawl_id == crawl_id,
        crawl_listings.c.listing_id == listings.c.listing_id,
    )
    passing = (which, listings.c.outcome_reason.in_(PASSING_REASONS), ~is_listed)
    lock_in_order(connection, listings, *passing)
    connection.execute(
        update(listings)
        .where(*passing)
        .values(outcome_state=None, outcome_reason=None, attempts=0, next_attempt_time=0.0)
    )
