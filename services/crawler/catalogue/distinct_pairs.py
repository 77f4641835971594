"""Pairs of images of which a person said that they are no duplicates of each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, or_, select

from services.crawler.catalogue.accept_order import take_accept_lock
from services.crawler.catalogue.many import Lookup
from services.crawler.catalogue.nearness import find_near
from services.crawler.catalogue.replacements import find_predecessors, find_successors
from services.crawler.catalogue.schema import (
    candidates,
    distinct_pairs,
    images,
    purged_images,
    replaced_images,
    seen_images,
)
from services.crawler.catalogue.upsert import Upsert
from services.crawler.seen.chain import chain_of
from services.servicekit.errors import FailedPrecondition, NotFound

# A server would send millions at once.
_READ_AT_ONCE = 10_000
_PAIR = (distinct_pairs.c.first_digest, distinct_pairs.c.second_digest)
# Built once, with the values bound: building a statement costs six times what running it does (measured).
_OF_ONE = select(*_PAIR).where(or_(*(one == bindparam("digest") for one in _PAIR)))
_OF_MANY = Lookup(
    lambda among: select(*_PAIR).where(or_(*(among(one, "digests") for one in _PAIR)))
)
_INSERT = Upsert(lambda insert: insert(distinct_pairs).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class DistinctPair:
    """Two images that are no duplicates of each other.

    Attributes:
        first_digest: The smaller digest, 64 hex digits.
        second_digest: The larger one.
        time: When that was said, seconds since 1970.
    """

    first_digest: str
    second_digest: str
    time: float


class PairNeeded(FailedPrecondition):
    """Two near images were kept, or one was and the other purged, as a person said that they are no duplicates.

    What a better copy replaced since counts as kept: its copies are still told by it.

    Attributes:
        first_digest: One of them.
        second_digest: The other.
    """

    def __init__(self, first_digest: str, second_digest: str) -> None:
        super().__init__(
            f"{first_digest[:12]} and {second_digest[:12]} were kept both only as they are no duplicates: "
            "purge one of them first"
        )
        self.first_digest = first_digest
        self.second_digest = second_digest


def add_pair(connection: Connection, one: str, other: str, *, now: float) -> DistinctPair:
    """Writes that two images are no duplicates; from now on, in the order of accepts. A second time changes nothing.

    Raises:
        NotFound: Neither is known.
    """
    take_accept_lock(connection)
    if not any(_is_known(connection, digest) for digest in (one, other)):
        kind = "image"
        raise NotFound(kind, one)
    first, second = sorted((one, other))
    row = {"first_digest": first, "second_digest": second, "create_time": now}
    connection.execute(_INSERT.on(connection), row)
    time = select(distinct_pairs.c.create_time).where(*_is_pair(first, second))
    return DistinctPair(first, second, connection.execute(time).scalar_one())


def remove_pair(connection: Connection, one: str, other: str) -> bool:
    """Takes that back; False if it was never said.

    Raises:
        PairNeeded: They are near; one of the two is kept or was replaced, and the other one as well, or purged.
    """
    take_accept_lock(connection)
    first, second = sorted((one, other))
    is_pair = _is_pair(first, second)
    if connection.execute(select(*_PAIR).where(*is_pair)).first() is None:
        return False
    if _is_needed(connection, first, second):
        raise PairNeeded(first, second)
    connection.execute(delete(distinct_pairs).where(*is_pair))
    return True


def extend_pairs(connection: Connection, digests: Collection[str]) -> None:
    """Writes down for what images have replaced what was said of them, which holds for that as well.

    Belongs into the transaction that purges them all, before it does: nothing tells any more then what they stood for.
    What was said of a replaced image says nothing of its successors.

    Args:
        connection: Under the lock of accepts.
        digests: An image, and all that it has replaced, directly or by way of another.
    """
    said = [
        (each, other, row.create_time)
        for row in connection.execute(
            select(distinct_pairs).where(or_(*(one.in_(digests) for one in _PAIR)))
        )
        for each, other in (
            (row.first_digest, row.second_digest),
            (row.second_digest, row.first_digest),
        )
        if each in digests and other not in digests
    ]
    for each, other, time in said:
        for replaced in find_predecessors(connection, each):
            first, second = sorted((replaced.digest, other))
            row = {"first_digest": first, "second_digest": second, "create_time": time}
            connection.execute(_INSERT.on(connection), row)


def iterate_pairs(connection: Connection) -> Iterator[DistinctPair]:
    """Yields all pairs by their digests."""
    query = select(distinct_pairs).order_by(*_PAIR).execution_options(yield_per=_READ_AT_ONCE)
    for row in connection.execute(query):
        yield DistinctPair(row.first_digest, row.second_digest, row.create_time)


def are_apart(connection: Connection, digests: Collection[str]) -> bool:
    """Whether two of these images are no duplicates of each other."""
    query = select(*_PAIR).where(*(one.in_(digests) for one in _PAIR))
    return connection.execute(query.limit(1)).first() is not None


def find_distinct(connection: Connection, digest: str) -> set[str]:
    """Returns the digests of the images that are no duplicates of one, whatever their hashes say."""
    rows = connection.execute(_OF_ONE, {"digest": digest})
    return {second if first == digest else first for first, second in rows}


def find_distinct_of(connection: Connection, digests: Collection[str]) -> dict[str, set[str]]:
    """The same for many images, by their digests; those of which nobody said anything are left out."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in _OF_MANY.run(connection, digests=list(digests)):
        found[row.first_digest].add(row.second_digest)
        found[row.second_digest].add(row.first_digest)
    return {digest: found[digest] for digest in digests if digest in found}


def _is_pair(first: str, second: str) -> tuple[ColumnElement[bool], ...]:
    return distinct_pairs.c.first_digest == first, distinct_pairs.c.second_digest == second


def _is_needed(connection: Connection, first: str, second: str) -> bool:
    """Whether near ones were both accepted, or one was and the other purged, and two are in their places now."""
    pair = {first, second}
    accepted, purged = (
        {
            digest
            for table in tables
            for digest in connection.scalars(
                select(table.c.digest).where(table.c.digest.in_(sorted(pair)))
            )
        }
        for tables in ((images, replaced_images), (purged_images,))
    )
    following = find_successors(connection, pair)
    ends = {chain_of(digest, following)[-1] for digest in pair}
    if not accepted or not pair <= accepted | purged or len(ends) == 1:
        return False
    return find_near(connection, first, second) is not False


def _is_known(connection: Connection, digest: str) -> bool:
    tables = (candidates, purged_images, seen_images)
    queries = (select(table.c.digest).where(table.c.digest == digest).limit(1) for table in tables)
    return any(connection.execute(query).first() is not None for query in queries)
