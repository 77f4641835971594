"""Refetches: crawls without sources. Their listings are known, and are fetched again for a profile version."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, exists, select

from services.crawler.catalogue import frontier
from services.crawler.catalogue.crawls import (
    Crawl,
    CrawlRequest,
    CrawlState,
    create_crawl,
    get_crawl,
    set_state,
)
from services.crawler.catalogue.schema import crawl_sources, crawls
from services.crawler.judgement import ProfileVersion

_GOING = (CrawlState.RUNNING.value, CrawlState.PAUSED.value)


def find_refetch(connection: Connection, profile: ProfileVersion) -> str | None:
    """Returns the crawl that fetches again for a profile version and has not ended; None if there is none."""
    has_source = exists().where(crawl_sources.c.crawl_id == crawls.c.crawl_id)
    query = (
        select(crawls.c.crawl_id)
        .where(
            crawls.c.profile_name == profile.name,
            crawls.c.profile_version == profile.version,
            crawls.c.state.in_(_GOING),
            ~has_source,
        )
        .order_by(crawls.c.create_time.desc())
    )
    return connection.execute(query.limit(1)).scalar_one_or_none()


def refetch(
    connection: Connection,
    crawl_id: str,
    profile: ProfileVersion,
    listing_ids: Sequence[int],
    *,
    now: float,
) -> Crawl:
    """Adds known listings to the refetch of a profile version, and lets it go on if it is paused.

    Args:
        connection: A transaction: either all of the listings are added, or none.
        crawl_id: Of the crawl that is made if none is going.
        profile: The version.
        listing_ids: The listings; those that the crawl has already are left alone.
        now: Seconds since 1970.
    """
    going = find_refetch(connection, profile)
    if going is None:
        # No client can ask for a crawl without sources: the request needs no id that somebody could choose too.
        request = CrawlRequest(f"rejudge {profile} {crawl_id}", (), profile)
        going = create_crawl(connection, crawl_id, request, now=now).crawl_id
    frontier.add_known(connection, going, listing_ids)
    set_state(connection, going, CrawlState.RUNNING)
    return get_crawl(connection, going)
