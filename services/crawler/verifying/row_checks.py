"""The catalogue's rows about listings and crawls: nothing is lost, and what is counted is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    Integer,
    Select,
    Table,
    and_,
    cast,
    except_,
    exists,
    func,
    or_,
    select,
)

from services.crawler.catalogue.crawls import CrawlState
from services.crawler.catalogue.schema import (
    candidates,
    crawl_counts,
    crawl_listings,
    crawls,
    judgements,
    listings,
    metadata,
    purged_images,
    replaced_images,
)
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.terms import CheckTerms

_STATES = [state.value for state in OutcomeState]
_REASONS = [reason.value for reason in OutcomeReason]
_IS_FETCHED = listings.c.outcome_state == OutcomeState.FETCHED.value

# Made once each, as sets: `crawl_listings` cannot be looked up by listing alone, and PostgreSQL goes through the whole
# of a large list for every row that is to be in none.
_LISTED = select(crawl_listings.c.listing_id)
_TO_DO = _LISTED.where(crawl_listings.c.sequence.is_(None))
_SETTLED = _LISTED.where(crawl_listings.c.sequence.is_not(None))
_JUDGED = (
    select(crawl_listings.c.listing_id)
    .join(crawls, crawls.c.crawl_id == crawl_listings.c.crawl_id)
    .join(listings, listings.c.listing_id == crawl_listings.c.listing_id)
    .join(
        judgements,
        and_(
            judgements.c.digest == listings.c.digest,
            judgements.c.profile_name == crawls.c.profile_name,
            judgements.c.profile_version == crawls.c.profile_version,
        ),
    )
    .where(crawl_listings.c.sequence.is_not(None))
)
_UNLISTED = select(listings.c.listing_id).except_(_LISTED)
_DONE = _SETTLED.except_(_TO_DO)
# What is fetched again for a profile that said something else before is judged then.
_UNJUDGED = except_(_SETTLED, _JUDGED, _TO_DO)
_IS_CANDIDATE = exists().where(candidates.c.digest == listings.c.digest)

_LISTING_RULES = (
    (
        ProblemKind.LISTING_LOST,
        "it belongs to no crawl, so that nobody fetches it",
        listings.c.listing_id.in_(_UNLISTED),
    ),
    (
        ProblemKind.LISTING_LOST,
        "it has no outcome, and no crawl has it still to do",
        and_(
            listings.c.outcome_state.is_(None),
            listings.c.listing_id.in_(_DONE),
        ),
    ),
    (
        ProblemKind.OUTCOME_BROKEN,
        "its outcome is none that there is",
        or_(
            listings.c.outcome_state.not_in(_STATES),
            and_(_IS_FETCHED, listings.c.outcome_reason.is_not(None)),
            and_(
                listings.c.outcome_state.is_not(None),
                ~_IS_FETCHED,
                func.coalesce(listings.c.outcome_reason, "").not_in(_REASONS),
            ),
        ),
    ),
    (
        ProblemKind.OUTCOME_BROKEN,
        "it is fetched, and nothing is known of the bytes that came",
        and_(_IS_FETCHED, ~_IS_CANDIDATE),
    ),
    (
        ProblemKind.JUDGEMENT_MISSING,
        "it is fetched and settled, and no crawl's profile judged its bytes",
        and_(
            _IS_FETCHED,
            _IS_CANDIDATE,
            listings.c.listing_id.in_(_UNJUDGED),
        ),
    ),
)

_LISTED_COUNTS = select(
    crawl_listings.c.crawl_id,
    func.count().label("listed"),
    func.count(crawl_listings.c.sequence).label("settled"),
    func.count(crawl_listings.c.sequence.distinct()).label("places"),
    func.coalesce(func.min(crawl_listings.c.sequence), 1).label("first"),
    func.coalesce(func.max(crawl_listings.c.sequence), 0).label("last"),
    func.sum(cast(crawl_listings.c.known, Integer)).label("known"),
).group_by(crawl_listings.c.crawl_id)
_COUNTED = select(
    crawl_counts.c.crawl_id,
    func.sum(crawl_counts.c.count).label("settled"),
    func.sum(crawl_counts.c.count * cast(crawl_counts.c.known, Integer)).label("known"),
).group_by(crawl_counts.c.crawl_id)
_NO_LISTINGS = {"listed": 0, "settled": 0, "places": 0, "first": 1, "last": 0, "known": 0}
_NO_COUNTS = {"settled": 0, "known": 0}


def check_references(connection: Connection) -> Iterator[Problem]:
    """Finds rows that refer to rows that are not there."""
    for table in metadata.sorted_tables:
        for reference in sorted(table.foreign_keys, key=lambda one: one.parent.name):
            for row in connection.execute(_dangling(table, reference)):
                named = ", ".join(f"{name} {value}" for name, value in row._mapping.items())  # noqa: SLF001 - public
                parent = reference.column.table.name
                message = (
                    f"a row of {table.name} ({named}) refers to a row of {parent} that is not there"
                )
                yield Problem(ProblemKind.ROW_DANGLING, message)


def _dangling(table: Table, reference: ForeignKey) -> Select[Any]:
    """What refers to nothing, by the columns of its primary key."""
    child = reference.parent
    is_there = exists().where(reference.column == child)
    return select(*table.primary_key.columns).where(child.is_not(None), ~is_there)


def check_listings(connection: Connection) -> Iterator[Problem]:
    """Finds listings that are neither settled nor to do, and outcomes that say less than they must."""
    for kind, message, broken in _LISTING_RULES:
        for row in connection.execute(select(listings.c.url).where(broken)):
            yield Problem(kind, message, url=row.url)


def check_crawls(connection: Connection) -> Iterator[Problem]:
    """Finds crawls whose counts or order are not those of their listings."""
    listed = {row["crawl_id"]: row for row in connection.execute(_LISTED_COUNTS).mappings()}
    counted = {row["crawl_id"]: row for row in connection.execute(_COUNTED).mappings()}
    for crawl in connection.execute(select(crawls)).mappings():
        crawl_id = crawl["crawl_id"]
        there = listed.get(crawl_id, _NO_LISTINGS)
        for kind, message in _check_crawl(crawl, there, counted.get(crawl_id, _NO_COUNTS)):
            yield Problem(kind, message, crawl_id=crawl_id)


def _check_crawl(crawl: Any, there: Any, counted: Any) -> Iterator[tuple[ProblemKind, str]]:
    compared = (
        ("listings found", crawl["found_count"], there["listed"]),
        ("the last place", crawl["last_sequence"], there["last"]),
        ("outcomes", counted["settled"], there["settled"]),
        ("outcomes that were known", counted["known"], there["known"]),
    )
    wrong = [
        f"{what} {said:,} instead of {true:,}" for what, said, true in compared if said != true
    ]
    if wrong:
        yield ProblemKind.COUNT_WRONG, f"it counts wrongly: {', '.join(wrong)}"
    if there["first"] != 1 or not there["places"] == there["settled"] == there["last"]:
        message = f"{there['settled']:,} settled listings have {there['places']:,} places up to {there['last']:,}"
        yield ProblemKind.ORDER_BROKEN, message
    left = there["listed"] - there["settled"]
    if left and crawl["state"] == CrawlState.COMPLETED.value and not crawl["max_accepted"]:
        yield ProblemKind.LISTINGS_LEFT, f"it is completed, and listings are still to do: {left:,}"


def check_purges(connection: Connection, terms: CheckTerms) -> Iterator[Problem]:
    """Finds purged images whose files may still be there, long after."""
    pending = select(purged_images.c.digest, purged_images.c.purge_time)
    for row in connection.execute(pending.where(purged_images.c.pending_names.is_not(None))):
        if not terms.is_young(row.purge_time):
            message = "it was purged, and its files may still be there"
            yield Problem(ProblemKind.PURGE_UNFINISHED, message, digest=row.digest)


def check_replaced_files(connection: Connection, terms: CheckTerms) -> Iterator[Problem]:
    """Finds replaced images whose files may still be there, long after."""
    unremoved = select(replaced_images.c.digest, replaced_images.c.replace_time)
    for row in connection.execute(unremoved.where(replaced_images.c.files_removed.is_(False))):
        if not terms.is_young(row.replace_time):
            message = "a better copy replaced it, and its files may still be there"
            yield Problem(ProblemKind.REPLACEMENT_UNFINISHED, message, digest=row.digest)
