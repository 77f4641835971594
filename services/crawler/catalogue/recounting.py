"""Counts of crawls follow the judgements that they count, when one of those is changed or made anew.

What is counted as ACCEPTED or REPLACED is what has that verdict: a crawl's counts say what is kept today. What is to be
judged again counts as DUPLICATE meanwhile, also if it had been replaced; if it is accepted then, it counts as ACCEPTED
in every crawl of that profile version which had come to it before. If another gate turns it down, those go on counting
it as DUPLICATE.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from sqlalchemy import Connection, bindparam, delete, func, select, update

from services.crawler.catalogue.schema import crawl_counts, crawl_listings, crawls, listings
from services.crawler.catalogue.settling import COUNT
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.outcome import OutcomeState

# A crawl, and whether the outcome was known before it.
_Place: TypeAlias = tuple[str, bool]

# Built once, with the values bound: building a statement costs six times what running it does (measured).
_COUNTED = (
    select(crawls.c.crawl_id, crawl_listings.c.known, func.count().label("number"))
    .select_from(crawls)
    .join(crawl_listings, crawl_listings.c.crawl_id == crawls.c.crawl_id)
    .join(listings, listings.c.listing_id == crawl_listings.c.listing_id)
    .where(
        listings.c.digest == bindparam("of_digest"),
        listings.c.outcome_state == OutcomeState.FETCHED.value,
        crawl_listings.c.sequence.is_not(None),
        crawl_listings.c.repeated.is_(False),
        crawls.c.profile_name == bindparam("of_name"),
        crawls.c.profile_version == bindparam("of_version"),
    )
    .group_by(crawls.c.crawl_id, crawl_listings.c.known)
)


def recount(
    connection: Connection,
    judged: Iterable[tuple[str, ProfileVersion]],
    *,
    before: Verdict,
    after: Verdict,
) -> None:
    """Counts images under another verdict in all crawls that have come to them.

    Belongs under the lock of accepts, into the transaction that writes or forgets the judgements, before any of the
    listings that end in it are settled.

    Args:
        connection: That transaction's.
        judged: (digest, profile version) of each judgement.
        before: The verdict under which these crawls count them.
        after: The one under which they are to.
    """
    counts: Counter[_Place] = Counter()
    for digest, profile in judged:
        named = {"of_digest": digest, "of_name": profile.name, "of_version": profile.version}
        for row in connection.execute(_COUNTED, named):
            counts[row.crawl_id, row.known] += row.number
    for place in sorted(counts):
        _move(connection, place, counts[place], before=before, after=after)


def _move(
    connection: Connection, place: _Place, count: int, *, before: Verdict, after: Verdict
) -> None:
    crawl_id, known = place
    table = crawl_counts
    key = {
        "crawl_id": crawl_id,
        "outcome_state": OutcomeState.FETCHED.value,
        "outcome_reason": "",
        "known": known,
    }
    old = (
        *(table.c[name] == value for name, value in key.items()),
        table.c.verdict == before.value,
    )
    there = connection.execute(select(table.c.count).where(*old)).scalar() or 0
    # A listing that another crawl fetched again since may have been counted as something else.
    moved = min(count, there)
    if not moved:
        return
    if moved == there:
        connection.execute(delete(table).where(*old))
    else:
        connection.execute(update(table).where(*old).values(count=there - moved))
    COUNT.run(connection, [{**key, "verdict": after.value, "count": moved}])
