"""Counts of a crawl, made anew from its listings."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, delete, func, insert, select, update

from services.crawler.catalogue.schema import (
    crawl_counts,
    crawl_listings,
    crawls,
    judgements,
    listings,
)
from services.crawler.judgement import Verdict
from services.crawler.outcome import OutcomeState

_STATE = func.coalesce(listings.c.outcome_state, OutcomeState.FAILED.value).label("outcome_state")
_REASON = func.coalesce(listings.c.outcome_reason, "").label("outcome_reason")
_VERDICT = case(
    # None of it is known where another crawl is to try what failed once more.
    (listings.c.outcome_state.is_distinct_from(OutcomeState.FETCHED.value), ""),
    (crawl_listings.c.repeated, Verdict.DUPLICATE.value),
    # A person's word has ended its judgement: until it is judged again, it counts as it does for `recounting`.
    else_=func.coalesce(judgements.c.verdict, Verdict.DUPLICATE.value),
).label("verdict")
_GROUP = (crawl_listings.c.crawl_id, _STATE, _REASON, _VERDICT, crawl_listings.c.known)
_COUNTS = (
    select(*_GROUP, func.count().label("count"))
    .join(crawls, crawls.c.crawl_id == crawl_listings.c.crawl_id)
    .join(listings, listings.c.listing_id == crawl_listings.c.listing_id)
    .outerjoin(
        judgements,
        and_(
            judgements.c.digest == listings.c.digest,
            judgements.c.profile_name == crawls.c.profile_name,
            judgements.c.profile_version == crawls.c.profile_version,
        ),
    )
    .where(crawl_listings.c.sequence.is_not(None))
    .group_by(*_GROUP)
)


def count_again(connection: Connection, crawl_id: str) -> None:
    """Counts the listings of a crawl by what is known of them today.

    An outcome that another crawl or a purge has changed since is counted as it is now.
    """
    of_crawl = crawl_listings.c.crawl_id == crawl_id
    rows = connection.execute(_COUNTS.where(of_crawl)).mappings().all()
    connection.execute(delete(crawl_counts).where(crawl_counts.c.crawl_id == crawl_id))
    if rows:
        connection.execute(insert(crawl_counts), [dict(row) for row in rows])
    listed = select(func.count(), func.coalesce(func.max(crawl_listings.c.sequence), 0))
    found, last = connection.execute(listed.where(of_crawl)).one()
    values = {"found_count": found, "last_sequence": last}
    connection.execute(update(crawls).where(crawls.c.crawl_id == crawl_id).values(values))
