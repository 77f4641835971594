"""The sources of crawls: how they are listed, where listing stands, who does it, and what became of their posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from services.crawler.catalogue.frontier import LeaseTerms, add_listings
from services.crawler.catalogue.row_locks import lock_in_order
from services.crawler.catalogue.schema import crawl_post_counts, crawl_sources, crawls
from services.crawler.catalogue.upsert import insert_on
from services.crawler.listing import Listing
from services.crawler.post_rules import PostReason
from services.crawler.source_settings import SourceSettings
from services.crawler.sources.source import BlockReason
from services.servicekit.errors import LodestoneError

_CURSOR_MAX_CHARACTERS = 65_536


class SourceState(StrEnum):
    """Where the listing of a source stands; the names are those of the contract."""

    WAITING = "WAITING"
    LISTING = "LISTING"
    BLOCKED = "BLOCKED"
    FAILED = "FAILED"
    DONE = "DONE"


class LeaseLost(LodestoneError):
    """Another crawler lists this source now: what this one found since must not be recorded.

    Attributes:
        crawl_id: The crawl.
        position: The source's place in it.
    """

    def __init__(self, crawl_id: str, position: int) -> None:
        super().__init__(f"source {position} of crawl {crawl_id} is listed by another crawler now")
        self.crawl_id = crawl_id
        self.position = position


class RoomTaken(LodestoneError):
    """Another crawler has listed since: the crawl has not as much room left as it had.

    Attributes:
        crawl_id: The crawl.
    """

    def __init__(self, crawl_id: str) -> None:
        super().__init__(f"crawl {crawl_id} has less room for listings now")
        self.crawl_id = crawl_id


@dataclass(frozen=True, slots=True)
class CrawlSource:
    """A source of a crawl as it stands.

    Attributes:
        position: Its place among the crawl's sources, from 0.
        uri: Its canonical name.
        settings: How it is listed.
        cursor: Where listing goes on; empty at the beginning.
        state: What its lister does.
        state_reason: Why, one sentence; empty if all is well.
        block_reason: Why it does not let us, if it is blocked.
        next_poll_time: When it is looked at again, seconds since 1970; None if that is not planned.
        list_time: When it was last listed to the end of what there was; None if never.
        listed_count: Listings, each as often as the source named it.
        skipped_count: Entries without an address.
        gap_count: How often posts may have been missed between two looks.
        last_gap: The last of these gaps, one sentence.
        post_counts: Posts by the reason for which they became no listing; None counts those that did.
    """

    position: int
    uri: str
    settings: SourceSettings = field(default_factory=SourceSettings)
    cursor: str = ""
    state: SourceState = SourceState.WAITING
    state_reason: str = ""
    block_reason: BlockReason | None = None
    next_poll_time: float | None = None
    list_time: float | None = None
    listed_count: int = 0
    skipped_count: int = 0
    gap_count: int = 0
    last_gap: str = ""
    post_counts: Mapping[PostReason | None, int] = field(default_factory=dict)

    @property
    def is_given_up(self) -> bool:
        """Whether it failed or is blocked, and is not looked at again by itself."""
        return _is_given_up(self.state, self.next_poll_time)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a lister found, to be recorded at once.

    Attributes:
        listings: The listings.
        cursor: Where listing goes on after them; empty leaves the earlier cursor.
        skipped_count: Entries without an address.
        gap: What may have been missed; empty if nothing.
        post_counts: Posts by reason, as in `CrawlSource`.
        relists: Whether listings that the crawl has already count as listed: not while a look overlaps with the last.
    """

    listings: Sequence[Listing]
    cursor: str = ""
    skipped_count: int = 0
    gap: str = ""
    post_counts: Mapping[PostReason | None, int] = field(default_factory=dict)
    relists: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """A change of a lister's state; the fields are those of `CrawlSource`."""

    state: SourceState
    state_reason: str = ""
    block_reason: BlockReason | None = None
    next_poll_time: float | None = None
    list_time: float | None = None


def get_source(connection: Connection, crawl_id: str, position: int) -> CrawlSource:
    """Returns one source of a crawl."""
    [source] = list_sources(connection, crawl_id, position=position)
    return source


def list_sources(
    connection: Connection, crawl_id: str, *, position: int | None = None
) -> list[CrawlSource]:
    """Returns the sources of a crawl in their order, or the one of a position."""
    counts: dict[int, dict[PostReason | None, int]] = {}
    query = select(crawl_post_counts).where(crawl_post_counts.c.crawl_id == crawl_id)
    chosen = select(crawl_sources).where(crawl_sources.c.crawl_id == crawl_id)
    if position is not None:
        query = query.where(crawl_post_counts.c.position == position)
        chosen = chosen.where(crawl_sources.c.position == position)
    for row in connection.execute(query).mappings():
        reason = PostReason(row["reason"]) if row["reason"] else None
        counts.setdefault(row["position"], {})[reason] = row["count"]
    rows = connection.execute(chosen.order_by(crawl_sources.c.position))
    return [
        CrawlSource(
            row.position,
            row.uri,
            SourceSettings.from_json(row.settings, priority=row.priority),
            row.cursor,
            SourceState(row.state),
            row.state_reason,
            BlockReason(row.block_reason) if row.block_reason else None,
            row.next_poll_time,
            row.list_time,
            row.listed_count,
            row.skipped_count,
            row.gap_count,
            row.last_gap,
            counts.get(row.position, {}),
        )
        for row in rows
    ]


def add_sources(
    connection: Connection,
    crawl_id: str,
    uris: Sequence[str],
    settings: Mapping[str, SourceSettings],
) -> None:
    """Adds sources behind those that a crawl has; one that it has already takes the new settings.

    A source that is done goes on if it is to be followed now.
    """
    present = {source.uri: source for source in list_sources(connection, crawl_id)}
    new = [uri for uri in dict.fromkeys(uris) if uri not in present]
    for uri in dict.fromkeys(uris):
        if uri in present and uri in settings:
            _change_settings(connection, crawl_id, present[uri], settings[uri])
    rows = [
        {
            "crawl_id": crawl_id,
            "position": position,
            "uri": uri,
            "settings": settings[uri].to_json() if uri in settings else "",
            "priority": settings[uri].priority if uri in settings else 0,
        }
        for position, uri in enumerate(new, start=len(present))
    ]
    if rows:
        connection.execute(insert(crawl_sources), rows)


def _change_settings(
    connection: Connection, crawl_id: str, source: CrawlSource, settings: SourceSettings
) -> None:
    values: dict[str, object] = {
        "settings": settings.to_json(),
        "priority": settings.priority,
    }
    if source.state is SourceState.DONE and settings.follow:
        values |= {"state": SourceState.WAITING.value, "next_poll_time": None}
    connection.execute(update(crawl_sources).where(_is(crawl_id, source.position)).values(**values))


def acquire(connection: Connection, crawl_id: str, position: int, terms: LeaseTerms) -> bool:
    """Takes the lease of a source, or keeps it; False while another crawler holds it."""
    free = or_(
        crawl_sources.c.lease_owner.is_(None),
        crawl_sources.c.lease_owner == terms.owner,
        crawl_sources.c.lease_expire_time < terms.now,
    )
    held = {"lease_owner": terms.owner, "lease_expire_time": terms.now + terms.duration_s}
    taken = update(crawl_sources).where(_is(crawl_id, position), free).values(held)
    return connection.execute(taken).rowcount == 1


def renew(connection: Connection, terms: LeaseTerms) -> None:
    """Holds every source of one owner for longer."""
    later = {"lease_expire_time": terms.now + terms.duration_s}
    owned = crawl_sources.c.lease_owner == terms.owner
    lock_in_order(connection, crawl_sources, owned)
    connection.execute(update(crawl_sources).where(owned).values(later))


def release_owner(connection: Connection, owner: str) -> None:
    """Gives back every source that one owner holds."""
    free = {"lease_owner": None, "lease_expire_time": None}
    connection.execute(
        update(crawl_sources).where(crawl_sources.c.lease_owner == owner).values(free)
    )


def release_all(connection: Connection) -> None:
    """Gives every source back. Only for a crawler that alone has just opened the catalogue."""
    connection.execute(update(crawl_sources).values(lease_owner=None, lease_expire_time=None))


def begin_look(connection: Connection, crawl_id: str, position: int, owner: str) -> CrawlSource:
    """Starts a look at a source. One from the beginning counts anew.

    Raises:
        LeaseLost: Another crawler lists the source.
    """
    source = get_source(connection, crawl_id, position)
    values: dict[str, object] = {"state": SourceState.LISTING.value, "next_poll_time": None}
    if not source.cursor:
        values |= {"listed_count": 0, "skipped_count": 0}
        counted = and_(
            crawl_post_counts.c.crawl_id == crawl_id, crawl_post_counts.c.position == position
        )
        connection.execute(delete(crawl_post_counts).where(counted))
    _update_owned(connection, crawl_id, position, owner, values)
    return source


def record_progress(
    connection: Connection,
    crawl_id: str,
    source: CrawlSource,
    terms: LeaseTerms,
    progress: Progress,
) -> int:
    """Adds listings to the crawl and moves the cursor behind them, both or neither. Returns how many are new to it.

    Raises:
        LeaseLost: Another crawler lists the source.
    """
    added = add_listings(
        connection, crawl_id, progress.listings, now=terms.now, position=source.position
    )
    listed = len(progress.listings) if progress.relists else added
    values: dict[str, object] = {
        "listed_count": crawl_sources.c.listed_count + listed,
        "skipped_count": crawl_sources.c.skipped_count + progress.skipped_count,
    }
    if progress.cursor:
        values["cursor"] = _fitting(progress.cursor)
    if progress.gap:
        values |= {"gap_count": crawl_sources.c.gap_count + 1, "last_gap": progress.gap}
    _update_owned(connection, crawl_id, source.position, terms.owner, values)
    for reason, count in progress.post_counts.items():
        _count_posts(connection, crawl_id, source.position, reason, count)
    return added


def set_standing(
    connection: Connection, crawl_id: str, position: int, owner: str, standing: Standing
) -> None:
    """Writes what a lister does now; `list_time` stays unless it is given. A source that is done is let go of.

    Raises:
        LeaseLost: Another crawler lists the source.
    """
    values: dict[str, object] = {
        "state": standing.state.value,
        "state_reason": standing.state_reason,
        "block_reason": standing.block_reason.value if standing.block_reason else None,
        "next_poll_time": standing.next_poll_time,
    }
    if standing.list_time is not None:
        values["list_time"] = standing.list_time
    if standing.state is SourceState.DONE or _is_given_up(standing.state, standing.next_poll_time):
        values |= {"lease_owner": None, "lease_expire_time": None}
    _update_owned(connection, crawl_id, position, owner, values)


def require_room(connection: Connection, crawl_id: str, room: int | None) -> None:
    """Passes if a crawl may still have `room` listings, to the end of the transaction; None is any number.

    Raises:
        RoomTaken: It may not, for another crawler has listed meanwhile.
    """
    if room is None:
        return
    query = select(crawls.c.max_listings, crawls.c.found_count).where(crawls.c.crawl_id == crawl_id)
    row = connection.execute(query.with_for_update()).one()
    if row.max_listings and row.max_listings - row.found_count < room:
        raise RoomTaken(crawl_id)


def _is_given_up(state: SourceState, next_poll_time: float | None) -> bool:
    return state in (SourceState.FAILED, SourceState.BLOCKED) and next_poll_time is None


def _update_owned(
    connection: Connection, crawl_id: str, position: int, owner: str, values: Mapping[str, object]
) -> None:
    owned = and_(_is(crawl_id, position), crawl_sources.c.lease_owner == owner)
    if connection.execute(update(crawl_sources).where(owned).values(**values)).rowcount != 1:
        raise LeaseLost(crawl_id, position)


def _count_posts(
    connection: Connection, crawl_id: str, position: int, reason: PostReason | None, count: int
) -> None:
    row = {
        "crawl_id": crawl_id,
        "position": position,
        "reason": reason.value if reason else "",
        "count": count,
    }
    more = {"count": crawl_post_counts.c.count + count}
    upsert = insert_on(connection)(crawl_post_counts).values(row)
    key = crawl_post_counts.primary_key
    connection.execute(upsert.on_conflict_do_update(index_elements=key, set_=more))


def _fitting(cursor: str) -> str:
    assert len(cursor) <= _CURSOR_MAX_CHARACTERS, "a source's cursor has a bound"
    return cursor


def _is(crawl_id: str, position: int) -> ColumnElement[bool]:
    return and_(crawl_sources.c.crawl_id == crawl_id, crawl_sources.c.position == position)
