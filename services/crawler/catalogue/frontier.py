"""The frontier: which listings are to do, who holds them, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    func,
    or_,
    select,
    update,
)

from services.crawler.catalogue.linking import link
from services.crawler.catalogue.many import Many, types_of
from services.crawler.catalogue.schema import crawl_listings, listings
from services.crawler.compliance import Compliance
from services.crawler.listing import Listing, host_of
from services.crawler.outcome import PASSING_REASONS, OutcomeReason, OutcomeState

_LICENCE_CHARACTERS = 100
# Named in one statement at most.
_LINKED = 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of fetching a listing.

    Attributes:
        state: FETCHED, FAILED or BLOCKED.
        reason: None when it is fetched.
        message: The reason as a sentence; empty when it is fetched.
        final_url: The address that answered, after redirects, or that a redirect led to; empty without either.
        digest: SHA-256 of the bytes, 64 hex digits; empty if there are none.
        size_bytes: How many bytes.
        time: When, seconds since 1970.
        size_px: Width and height, if the screen left it out for them.
        compliance: The rules under which it was fetched just now; kept with the image, not with the listing.
        work_s: How long fetching, decoding and judging took just now, waits for the host's turn included, seconds.
    """

    state: OutcomeState
    reason: OutcomeReason | None
    message: str
    final_url: str
    digest: str
    size_bytes: int
    time: float
    size_px: tuple[int, int] | None = None
    compliance: Compliance | None = None
    work_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LeasedListing:
    """A listing that this crawler holds until the lease expires.

    Attributes:
        listing_id: Its row.
        listing: What the source said.
        attempts: How often it was tried before.
        outcome: What is known of it; None if it was never fetched.
        host: The host to ask; empty for a local file.
        owner: Who holds it; empty if nobody needs to.
        priority: That of its source in the crawl when it was leased; higher goes first.
    """

    listing_id: int
    listing: Listing
    attempts: int
    outcome: Outcome | None
    host: str = ""
    owner: str = ""
    priority: int = 0

    @property
    def asked_host(self) -> str:
        """The host that is asked for it; empty if nobody must be: it was fetched before, or is a local file."""
        return self.host if self.outcome is None else ""


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Who holds a lease, and for how long.

    Attributes:
        owner: Who works on it.
        now: Seconds since 1970, by the catalogue's clock.
        duration_s: After so many seconds another may take it.
    """

    owner: str
    now: float
    duration_s: float


_OUTCOME_COLUMNS = (
    *("outcome_state", "outcome_reason", "outcome_message", "final_url", "digest"),
    *("size_bytes", "width_px", "height_px", "outcome_time", "work_s"),
)
_FREE: Mapping[str, None] = {"lease_owner": None, "lease_expire_time": None}
# Should it be fetched again, it has all of its tries.
_UNTRIED: Mapping[str, float] = {"attempts": 0, "next_attempt_time": 0.0}


def _record(names: Sequence[str]) -> Many:
    return Many(
        {"of_listing": listings.c.listing_id.type, **types_of(listings, names)},
        lambda given: (
            update(listings)
            .where(listings.c.listing_id == given["of_listing"])
            .values({**_FREE, **_UNTRIED, **{name: given[name] for name in names}})
        ),
    )


_RECORD_OUTCOMES = _record(_OUTCOME_COLUMNS)
# A host that is away says nothing of the bytes that it gave before: they can be asked for again.
_RECORD_PASSING_FAILURES = _record([name for name in _OUTCOME_COLUMNS if name != "digest"])
_LET_GO = Many(
    {"of_listing": listings.c.listing_id.type},
    lambda given: (
        update(listings).where(listings.c.listing_id == given["of_listing"]).values(_FREE)
    ),
)
_LISTING_COLUMNS = (
    *("source", "url", "title", "page_url", "author"),
    *("licence", "community", "post_time", "post_facts"),
)
_ADD = Many(
    types_of(listings, (*_LISTING_COLUMNS, "host", "parents", "found_time")),
    lambda given: given.numbered_into(listings, "url").on_conflict_do_nothing(),
)


def add_listings(
    connection: Connection,
    crawl_id: str,
    found: Sequence[Listing],
    *,
    now: float,
    position: int | None = None,
) -> int:
    """Adds listings to a crawl; those it has already are left alone. Returns how many are new to the crawl.

    `position` is that of the source that lists them, whose priority they have; None is none.
    """
    urls = [listing.url for listing in found]
    if not urls:
        return 0
    rows = [
        {
            "url": listing.url,
            "source": listing.source,
            "host": host_of(listing.url),
            "title": listing.title,
            "page_url": listing.page_url,
            "author": listing.author,
            "licence": listing.licence[:_LICENCE_CHARACTERS],
            "community": listing.community,
            "parents": " ".join(listing.parents),
            "post_time": listing.post_time,
            "post_facts": listing.post_facts,
            "found_time": now,
        }
        for listing in found
    ]
    _ADD.run(connection, rows)
    chosen = listings.c.url.in_(urls)
    return link(connection, crawl_id, chosen, position)


def add_known(connection: Connection, crawl_id: str, listing_ids: Sequence[int]) -> int:
    """Adds listings that the catalogue has to a crawl, to be leased again. Returns how many are new to the crawl."""
    added = 0
    for start in range(0, len(listing_ids), _LINKED):
        chosen = listings.c.listing_id.in_(list(listing_ids[start : start + _LINKED]))
        added += link(connection, crawl_id, chosen)
    return added


def lease(
    connection: Connection,
    crawl_id: str,
    terms: LeaseTerms,
    *,
    limit: int,
    but_hosts: Sequence[str] = (),
) -> list[LeasedListing]:
    """Takes up to `limit` listings of a crawl that are to do, in their order, none of `but_hosts`."""
    chosen = listings.c.host.not_in(but_hosts)
    found = find_pending(connection, crawl_id, terms, chosen, limit=limit)
    take(connection, [one.listing_id for one in found], terms)
    return found


def find_pending(
    connection: Connection,
    crawl_id: str,
    terms: LeaseTerms,
    chosen: ColumnElement[bool],
    *,
    limit: int,
) -> list[LeasedListing]:
    """Returns up to `limit` chosen listings of a crawl that are to do: by priority, oldest first. They are taken next.

    What another takes just now is passed over, not waited for. What expired is taken from everybody but the owner, who
    still works on it: his clock jumped, or he was late.
    """
    is_free = or_(
        listings.c.lease_expire_time.is_(None),
        and_(listings.c.lease_expire_time < terms.now, listings.c.lease_owner != terms.owner),
    )
    query = (
        select(listings, crawl_listings.c.priority)
        .join(crawl_listings)
        .where(
            crawl_listings.c.crawl_id == crawl_id,
            crawl_listings.c.sequence.is_(None),
            listings.c.next_attempt_time <= terms.now,
            is_free,
            chosen,
        )
        .order_by(crawl_listings.c.priority.desc(), crawl_listings.c.listing_id)
        .limit(limit)
        .with_for_update(of=listings, skip_locked=True)
    )
    return [
        LeasedListing(
            row.listing_id,
            listing_of(row),
            row.attempts,
            outcome_of(row),
            row.host,
            terms.owner,
            row.priority,
        )
        for row in connection.execute(query)
    ]


def take(connection: Connection, listing_ids: Sequence[int], terms: LeaseTerms) -> None:
    """Leases listings that were found pending in the same transaction."""
    held = {"lease_owner": terms.owner, "lease_expire_time": terms.now + terms.duration_s}
    connection.execute(update(listings).where(listings.c.listing_id.in_(listing_ids)).values(held))


def release(
    connection: Connection, listing_id: int, owner: str, *, next_attempt_time: float, tried: bool
) -> None:
    """Gives a listing back, to be tried again at `next_attempt_time`."""
    connection.execute(
        update(listings)
        .where(listings.c.listing_id == listing_id, listings.c.lease_owner == owner)
        .values(
            lease_owner=None,
            lease_expire_time=None,
            next_attempt_time=next_attempt_time,
            attempts=listings.c.attempts + int(tried),
        )
    )


def rest_host(connection: Connection, host: str, *, until: float) -> None:
    """Holds back the listings of a host that nobody holds and that are to do; those that wait longer are left alone."""
    connection.execute(
        update(listings)
        .where(
            listings.c.host == host,
            listings.c.outcome_state.is_(None),
            listings.c.lease_owner.is_(None),
            listings.c.next_attempt_time < until,
        )
        .values(next_attempt_time=until)
    )


def release_owner(connection: Connection, owner: str) -> None:
    """Gives back everything that one owner holds."""
    connection.execute(update(listings).where(listings.c.lease_owner == owner).values(_FREE))


def renew(connection: Connection, terms: LeaseTerms) -> None:
    """Holds everything of one owner for longer."""
    later = {"lease_expire_time": terms.now + terms.duration_s}
    connection.execute(update(listings).where(listings.c.lease_owner == terms.owner).values(later))


def release_all(connection: Connection) -> int:
    """Gives every listing back. Only for a crawler that alone has just opened the catalogue: nobody else holds any."""
    held = listings.c.lease_owner.is_not(None)
    return connection.execute(update(listings).where(held).values(_FREE)).rowcount


def record_outcomes(connection: Connection, outcomes: Mapping[int, Outcome | None]) -> None:
    """Writes what became of listings, by their rows, and lets go of them; None is one whose outcome stands.

    Their rows are locked already, by `lost_leases`.
    """
    stands = [{"of_listing": one} for one, outcome in outcomes.items() if outcome is None]
    rows = [_outcome_row(one, outcome) for one, outcome in outcomes.items() if outcome is not None]
    passing = [row for row in rows if row["outcome_reason"] in PASSING_REASONS]
    lasting = [row for row in rows if row["outcome_reason"] not in PASSING_REASONS]
    for statement, found in (
        (_LET_GO, stands),
        (_RECORD_PASSING_FAILURES, passing),
        (_RECORD_OUTCOMES, lasting),
    ):
        if found:
            statement.run(connection, found)


def count_unsettled(connection: Connection, crawl_id: str) -> int:
    """How many listings of a crawl are still to do or under way."""
    query = (
        select(func.count())
        .select_from(crawl_listings)
        .where(crawl_listings.c.crawl_id == crawl_id, crawl_listings.c.sequence.is_(None))
    )
    return int(connection.execute(query).scalar_one())


def listing_of(row: object) -> Listing:
    """The listing in a row of `listings`."""
    columns = row._mapping  # type: ignore[attr-defined]  # noqa: SLF001 - SQLAlchemy's public name
    return Listing(
        **{name: columns[name] for name in _LISTING_COLUMNS},
        parents=tuple(columns["parents"].split()),
    )


def outcome_of(row: object) -> Outcome | None:
    """The outcome in a row of `listings`, if it has one."""
    columns = row._mapping  # type: ignore[attr-defined]  # noqa: SLF001 - SQLAlchemy's public name
    if columns["outcome_state"] is None:
        return None
    reason = columns["outcome_reason"]
    # A failure that may pass leaves the digest of what was fetched before; it is not what came this time.
    digest = "" if reason in PASSING_REASONS else columns["digest"] or ""
    return Outcome(
        OutcomeState(columns["outcome_state"]),
        OutcomeReason(reason) if reason else None,
        columns["outcome_message"],
        columns["final_url"],
        digest,
        columns["size_bytes"],
        columns["outcome_time"],
        (columns["width_px"], columns["height_px"]) if columns["width_px"] else None,
    )


def _outcome_row(listing_id: int, outcome: Outcome) -> dict[str, object]:
    width_px, height_px = outcome.size_px or (None, None)
    return {
        "of_listing": listing_id,
        "outcome_state": outcome.state.value,
        "outcome_reason": outcome.reason.value if outcome.reason else None,
        "outcome_message": outcome.message,
        "final_url": outcome.final_url,
        "digest": outcome.digest or None,
        "size_bytes": outcome.size_bytes,
        "width_px": width_px,
        "height_px": height_px,
        "outcome_time": outcome.time,
        "work_s": outcome.work_s,
    }
