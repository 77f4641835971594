"""How listings end for crawls: the outcome of each, its place in the crawl's order of settling, and the counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection, Executable, bindparam, select, update

from services.crawler.catalogue.frontier import LeasedListing, Outcome, record_outcomes
from services.crawler.catalogue.many import Given, Lookup, Many, types_of
from services.crawler.catalogue.schema import (
    crawl_counts,
    crawl_listings,
    crawls,
    judgements,
    kept_images,
    listings,
)
from services.crawler.judgement import Verdict
from services.crawler.outcome import OutcomeState


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a listing ends.

    Attributes:
        outcome: What became of fetching it.
        verdict: Of its judgement; None when it is not fetched.
        known: Whether the outcome was known before this crawl.
    """

    outcome: Outcome
    verdict: Verdict | None
    known: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """A listing that ends for a crawl.

    Attributes:
        crawl_id: The crawl.
        leased: The listing.
        settlement: How it ends.
    """

    crawl_id: str
    leased: LeasedListing
    settlement: Settlement


_HOLDERS = Lookup(
    lambda among: (
        select(listings.c.listing_id, listings.c.lease_owner)
        .where(among(listings.c.listing_id, "listing_ids"))
        .order_by(listings.c.listing_id)
        # Who makes one of them another crawl's does not wait.
        .with_for_update(key_share=True)
    )
)
_PENDING = Lookup(
    lambda among: select(crawl_listings.c.listing_id).where(
        crawl_listings.c.crawl_id == bindparam("of_crawl"),
        among(crawl_listings.c.listing_id, "listing_ids"),
        crawl_listings.c.sequence.is_(None),
    )
)
# Subqueries, not joins: a server that has no statistics yet would go through all of a crawl, or of a profile, instead
# of the few rows of these digests.
_sequence = (
    select(crawl_listings.c.sequence)
    .where(
        crawl_listings.c.crawl_id == bindparam("of_crawl"),
        crawl_listings.c.listing_id == listings.c.listing_id,
    )
    .scalar_subquery()
)
_SETTLED_DIGESTS = Lookup(
    lambda among: (
        select(listings.c.digest)
        .distinct()
        .where(
            among(listings.c.digest, "digests"),
            listings.c.outcome_state == OutcomeState.FETCHED.value,
            _sequence.is_not(None),
        )
    )
)
_of_crawl = crawls.c.crawl_id == bindparam("of_crawl")
_profile_name = select(crawls.c.profile_name).where(_of_crawl).scalar_subquery()
_profile_version = select(crawls.c.profile_version).where(_of_crawl).scalar_subquery()
_KEPT_FOR = Lookup(
    lambda among: select(
        kept_images.c.digest,
        kept_images.c.listing_id,
        (kept_images.c.profile_name == _profile_name).label("is_of_profile"),
    ).where(among(kept_images.c.digest, "digests"), kept_images.c.listing_id.is_not(None))
)
_STANDING = Lookup(
    lambda among: select(judgements.c.digest, judgements.c.verdict).where(
        among(judgements.c.digest, "digests"),
        judgements.c.profile_name == _profile_name,
        judgements.c.profile_version == _profile_version,
    )
)
# What a better copy, or a person's word, changes.
_CHANGING = (Verdict.ACCEPTED, Verdict.REPLACED, Verdict.DUPLICATE)
_MARKS = ("sequence", "known", "repeated")
_MARK_SETTLED = Many(
    {"of_listing": listings.c.listing_id.type, **types_of(crawl_listings, _MARKS)},
    lambda given: (
        update(crawl_listings)
        .where(
            crawl_listings.c.crawl_id == bindparam("of_crawl"),
            crawl_listings.c.listing_id == given["of_listing"],
        )
        .values({name: given[name] for name in _MARKS})
    ),
)
# Built once, with the values bound: building a statement costs six times what running it does (measured).
_TAKE_SEQUENCES = (
    update(crawls)
    .where(crawls.c.crawl_id == bindparam("of_crawl"))
    .values(last_sequence=crawls.c.last_sequence + bindparam("taken"))
    .returning(crawls.c.last_sequence)
)
_CountKey: TypeAlias = tuple[str, str, str, bool]


def _count(given: Given) -> Executable:
    new = given.into(crawl_counts)
    more = {"count": crawl_counts.c.count + new.excluded["count"]}
    return new.on_conflict_do_update(index_elements=crawl_counts.primary_key, set_=more)


# Adds to counts, which may not be there yet.
COUNT = Many(types_of(crawl_counts, tuple(column.name for column in crawl_counts.c)), _count)


def lost_leases(connection: Connection, leased: Collection[LeasedListing]) -> set[int]:
    """Returns those of these listings that their holders do not hold any more; the others stay theirs.

    A listing that nobody leased is nobody's to lose. The rows of all are locked, in one order.
    """
    owners = {one.listing_id: one.owner for one in leased if one.owner}
    holders = _HOLDERS.run(connection, listing_ids=sorted({one.listing_id for one in leased}))
    held = {row.listing_id: row.lease_owner for row in holders}
    return {listing_id for listing_id, owner in owners.items() if held.get(listing_id) != owner}


def find_outdated(connection: Connection, endings: Iterable[Ending]) -> list[Ending]:
    """Returns those whose listings were to end by a judgement that does not stand any more: a person's word ended it.

    Belongs under the lock of accepts, under which judgements are forgotten.
    """
    by_crawl: defaultdict[str, list[Ending]] = defaultdict(list)
    for one in endings:
        if one.settlement.verdict is not None:
            by_crawl[one.crawl_id].append(one)
    outdated = []
    for crawl_id, judged in by_crawl.items():
        digests = {one.settlement.outcome.digest for one in judged}
        standing = _read_standing(connection, crawl_id, digests)
        outdated += [one for one in judged if one.settlement.outcome.digest not in standing]
    return outdated


def settle(connection: Connection, endings: Sequence[Ending]) -> None:
    """Writes new outcomes, lets go of the listings, marks and counts them as done; a second time changes nothing.

    Belongs under the lock of accepts, behind what the same transaction replaces: an acceptance that was read before may
    have become a replacement since, and what was rejected for another image may be accepted by now.
    """
    record_outcomes(
        connection,
        {
            one.leased.listing_id: None if one.settlement.known else one.settlement.outcome
            for one in endings
        },
    )
    by_crawl: defaultdict[str, list[Ending]] = defaultdict(list)
    for one in endings:
        by_crawl[one.crawl_id].append(one)
    # In one order, so that two crawlers do not wait for each other.
    for crawl_id in sorted(by_crawl):
        _settle_crawl(connection, crawl_id, by_crawl[crawl_id])


def _settle_crawl(connection: Connection, crawl_id: str, endings: Sequence[Ending]) -> None:
    pending = _pending(connection, crawl_id, endings)
    endings = [one for one in endings if one.leased.listing_id in pending]
    if not endings:
        return
    repeated = _repeated(connection, crawl_id, endings)
    taken = {"of_crawl": crawl_id, "taken": len(endings)}
    last = connection.execute(_TAKE_SEQUENCES, taken).scalar_one()
    first = last - len(endings) + 1
    rows = [
        {
            "of_listing": one.leased.listing_id,
            "sequence": sequence,
            "known": one.settlement.known,
            "repeated": one.leased.listing_id in repeated,
        }
        for sequence, one in enumerate(endings, start=first)
    ]
    _MARK_SETTLED.run(connection, rows, of_crawl=crawl_id)
    standing = _standing(connection, crawl_id, endings)
    counts = Counter(_count_key(one, repeated, standing) for one in endings)
    names = ("outcome_state", "outcome_reason", "verdict", "known")
    COUNT.run(
        connection,
        [
            {"crawl_id": crawl_id, **dict(zip(names, key, strict=True)), "count": count}
            for key, count in sorted(counts.items())
        ],
    )


def _pending(connection: Connection, crawl_id: str, endings: Iterable[Ending]) -> set[int]:
    listing_ids = [one.leased.listing_id for one in endings]
    return set(_PENDING.run(connection, of_crawl=crawl_id, listing_ids=listing_ids).scalars())


def _repeated(connection: Connection, crawl_id: str, endings: Sequence[Ending]) -> set[int]:
    """Listings whose bytes another one had before: of this crawl, or the one that they were kept for."""
    digests = {one.settlement.outcome.digest for one in endings} - {""}
    if not digests:
        return set()
    named = {"of_crawl": crawl_id, "digests": list(digests)}
    had = set(_SETTLED_DIGESTS.run(connection, **named).scalars())
    kept_for = {
        row.digest: row.listing_id
        for row in _KEPT_FOR.run(connection, **named)
        if row.is_of_profile
    }
    repeated = set()
    for one in endings:
        listing_id, digest = one.leased.listing_id, one.settlement.outcome.digest
        if digest in had or kept_for.get(digest, listing_id) != listing_id:
            repeated.add(listing_id)
        if digest:
            had.add(digest)
    return repeated


def _standing(
    connection: Connection, crawl_id: str, endings: Sequence[Ending]
) -> dict[str, Verdict]:
    """The verdicts of today, by digest, of what was accepted when it was read, or rejected for another one."""
    settlements = [one.settlement for one in endings]
    digests = {one.outcome.digest for one in settlements if one.verdict in _CHANGING}
    return _read_standing(connection, crawl_id, digests) if digests else {}


def _read_standing(
    connection: Connection, crawl_id: str, digests: Collection[str]
) -> dict[str, Verdict]:
    """The verdicts under a crawl's profile version, by digest, of those that are judged."""
    found = _STANDING.run(connection, of_crawl=crawl_id, digests=list(digests))
    return {row.digest: Verdict(row.verdict) for row in found}


def _count_key(
    ending: Ending, repeated: Collection[int], standing: Mapping[str, Verdict]
) -> _CountKey:
    outcome, verdict = ending.settlement.outcome, ending.settlement.verdict
    if verdict in _CHANGING:
        verdict = standing.get(outcome.digest, verdict)
    if ending.leased.listing_id in repeated:
        verdict = Verdict.DUPLICATE
    return (
        outcome.state.value,
        outcome.reason.value if outcome.reason else "",
        verdict.value if verdict else "",
        ending.settlement.known,
    )
