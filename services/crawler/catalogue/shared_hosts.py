"""Hosts that several crawlers share: one of them asks a host at a time, so that it sees one pace.

Only PostgreSQL has several crawlers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.crawler.catalogue import frontier
from services.crawler.catalogue.frontier import LeasedListing, LeaseTerms
from services.crawler.catalogue.row_locks import lock_in_order
from services.crawler.catalogue.schema import hosts, listings
from services.crawler.fetch.host_pace import HostStanding


@dataclass(frozen=True, slots=True)
class HostShare:
    """What a crawler may have of the hosts.

    Attributes:
        terms: The crawler and for how long it takes hosts.
        held: Hosts that it has, and may have more of.
        room: How many more it may take.
        but: Hosts that it wants nothing more of.
    """

    terms: LeaseTerms
    held: frozenset[str]
    room: int
    but: frozenset[str] = frozenset()


_NEW = insert(hosts)
_CLAIM = _NEW.on_conflict_do_update(
    index_elements=hosts.primary_key,
    set_={name: _NEW.excluded[name] for name in ("owner", "expire_time", "wanted_time")},
    where=or_(
        hosts.c.owner.is_(None),
        hosts.c.owner == _NEW.excluded.owner,
        # A row that is offered is ready now: the claim's own time.
        hosts.c.expire_time < _NEW.excluded.ready_time,
    ),
).returning(hosts.c.host, hosts.c.ready_time, hosts.c.gap_s, hosts.c.down_time)
_RELEASE = (
    update(hosts)
    .where(hosts.c.host == bindparam("of_host"), hosts.c.owner == bindparam("of_owner"))
    .values(
        owner=None,
        expire_time=None,
        wanted_time=None,
        **{name: bindparam(name) for name in ("ready_time", "gap_s", "down_time")},
    )
)


def lease_shared(
    connection: Connection, crawl_id: str, terms: LeaseTerms, share: HostShare, *, limit: int
) -> tuple[list[LeasedListing], dict[str, HostStanding]]:
    """Leases listings as `frontier.lease` does, and the hosts that are asked for them; none of another's hosts.

    Returns the listings, and how the hosts stand that were taken.
    """
    known = listings.c.outcome_state.is_not(None) | (listings.c.host == "")
    anothers = exists().where(
        hosts.c.host == listings.c.host,
        hosts.c.owner != share.terms.owner,
        hosts.c.expire_time >= share.terms.now,
    )
    chosen = listings.c.host.not_in(sorted(share.but)) & (known | ~anothers)
    if share.room <= 0:
        chosen &= known | listings.c.host.in_(sorted(share.held))
    found = frontier.find_pending(connection, crawl_id, terms, chosen, limit=limit)
    new = dict.fromkeys(one.asked_host for one in found if one.asked_host not in share.held)
    new.pop("", None)
    claimed = claim_hosts(connection, list(new)[: max(0, share.room)], share.terms)
    mine = {"", *share.held, *claimed}
    leased = [one for one in found if one.asked_host in mine]
    frontier.take(connection, [one.listing_id for one in leased], terms)
    return leased, claimed


def claim_hosts(
    connection: Connection, names: Collection[str], terms: LeaseTerms
) -> dict[str, HostStanding]:
    """Takes hosts that no other crawler has. Returns how those that it got stand."""
    rows = [
        {
            "host": name,
            "owner": terms.owner,
            "expire_time": terms.now + terms.duration_s,
            "wanted_time": None,
            "ready_time": terms.now,
            "gap_s": 0.0,
            "down_time": 0.0,
        }
        # In one order, so that two crawlers do not wait for each other.
        for name in sorted(names)
    ]
    if not rows:
        return {}
    return {
        row.host: HostStanding(
            max(0.0, row.ready_time - terms.now),
            row.gap_s,
            max(0.0, row.down_time - terms.now),
        )
        for row in connection.execute(_CLAIM, rows)
    }


def want_host(connection: Connection, name: str, terms: LeaseTerms) -> None:
    """Lets the crawler that has a host know that another wants it."""
    connection.execute(
        update(hosts)
        .where(hosts.c.host == name, hosts.c.owner != terms.owner)
        .values(wanted_time=terms.now)
    )


def renew_hosts(
    connection: Connection, names: Collection[str], terms: LeaseTerms
) -> dict[str, bool]:
    """Holds hosts for longer. Returns those that the crawler still has, and whether another wants them."""
    mine = (hosts.c.host.in_(sorted(names)), hosts.c.owner == terms.owner)
    lock_in_order(connection, hosts, *mine)
    later = (
        update(hosts)
        .where(*mine)
        .values(expire_time=terms.now + terms.duration_s)
        .returning(hosts.c.host, hosts.c.wanted_time)
    )
    return {row.host: row.wanted_time is not None for row in connection.execute(later)}


def release_hosts(
    connection: Connection, standings: Mapping[str, HostStanding], terms: LeaseTerms
) -> None:
    """Gives hosts back; whoever takes one next goes on at the pace that it stands at."""
    rows = [
        {
            "of_host": name,
            "of_owner": terms.owner,
            "ready_time": terms.now + standing.ready_in_s,
            "gap_s": standing.gap_s,
            "down_time": terms.now + standing.down_in_s,
        }
        for name, standing in sorted(standings.items())
    ]
    if rows:
        connection.execute(_RELEASE, rows)
    _forget_rested(connection, terms.now)


def _forget_rested(connection: Connection, now: float) -> None:
    """Of a host that has rested nothing needs to be known."""
    rested = (
        select(hosts.c.host)
        .where(hosts.c.owner.is_(None), hosts.c.ready_time < now, hosts.c.down_time < now)
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(hosts).where(hosts.c.host.in_(rested)))
