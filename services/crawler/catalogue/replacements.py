"""Kept images that a better copy replaces: one transaction keeps the one and lets go of the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Update, bindparam, delete, or_, select, update

from services.crawler.candidate import Fingerprint
from services.crawler.catalogue.outbox import Event
from services.crawler.catalogue.recounting import recount
from services.crawler.catalogue.schema import (
    candidates,
    images,
    judgements,
    kept_images,
    replaced_images,
)
from services.crawler.catalogue.withdrawals import Told, withdraw
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.seen.chain import chain_of

# A server would send millions at once.
_READ_AT_ONCE = 10_000
_FILES = (
    replaced_images.c.digest,
    replaced_images.c.profile_name,
    replaced_images.c.file_name,
    replaced_images.c.replaced_by_digest,
)

# Built once, with the values bound: building a statement costs six times what running it does (measured).
_SUCCESSORS = select(replaced_images.c.digest, replaced_images.c.replaced_by_digest).where(
    replaced_images.c.digest.in_(bindparam("digests", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A better copy takes the place of kept images.

    Attributes:
        digest: The better copy.
        profile_name: The one profile that keeps the others, and now the copy.
        replaced: The others.
        why: Why it is better, one sentence.
    """

    digest: str
    profile_name: str
    replaced: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ReplacedFiles:
    """The files of an image that was replaced.

    Attributes:
        digest: Which image.
        name: Its readable name: the profile's, and the file's.
        replaced_by: The digest of the better copy.
    """

    digest: str
    name: tuple[str, str]
    replaced_by: str


def replace(connection: Connection, replacement: Replacement, *, now: float) -> list[ReplacedFiles]:
    """Lets go of kept images, of which the better copy is kept already. Returns what files are to be removed next.

    Their perceptual hashes still count as seen. Every ACCEPTED of the profile's versions becomes REPLACED, in the
    counts of crawls too; sinks are told. Belongs into the transaction that keeps the copy, under the lock of accepts
    and after the copy's own row, so that SQLite gives no sequence twice.
    """
    digests = replacement.replaced
    _note(connection, replacement, now=now)
    files = _files_of(connection, digests)
    for one in files:
        told = Told(Event.REPLACED, replacement.digest)
        withdraw(connection, one.digest, (one.name,), told, now=now)
    for table in (kept_images, images):
        connection.execute(delete(table).where(table.c.digest.in_(digests)))
    judged = _judge(connection, replacement)
    # What is counted as accepted is kept.
    recount(connection, judged, before=Verdict.ACCEPTED, after=Verdict.REPLACED)
    return files


def list_unremoved(connection: Connection) -> list[ReplacedFiles]:
    """Returns the files of replaced images that may still be there."""
    query = select(*_FILES).where(replaced_images.c.files_removed.is_(False))
    return [_files(*row) for row in connection.execute(query)]


def find_unremoved(connection: Connection, digest: str) -> ReplacedFiles | None:
    """Returns the files of a replaced image that are still to be removed; None if there are none."""
    query = select(*_FILES).where(
        replaced_images.c.digest == digest, replaced_images.c.files_removed.is_(False)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _files(*row)


def begin_removal(
    connection: Connection, digest: str, *, now: float, duration_s: float
) -> float | None:
    """Takes it upon the caller alone to remove the files of a replaced image, for so many seconds.

    Returns until when, by which he is known to be at it; None if there are none to remove, or somebody else is at it.
    Until they are gone the image is not kept again.
    """
    expire, expire_time = replaced_images.c.removal_expire_time, now + duration_s
    query = (
        update(replaced_images)
        .where(
            replaced_images.c.digest == digest,
            replaced_images.c.files_removed.is_(False),
            or_(expire.is_(None), expire < now),
        )
        .values(removal_expire_time=expire_time)
    )
    return expire_time if connection.execute(query).rowcount else None


def give_removal_up(connection: Connection, digest: str, *, expire_time: float) -> bool:
    """Lets others remove what could not be removed. False if somebody else has begun since that time was given."""
    query = _held(digest, expire_time).values(removal_expire_time=None)
    return connection.execute(query).rowcount > 0


def free_removals(connection: Connection) -> None:
    """Lets others remove everything. Only for a crawler that alone has the catalogue: nobody else can be at it."""
    query = update(replaced_images).where(replaced_images.c.removal_expire_time.is_not(None))
    connection.execute(query.values(removal_expire_time=None))


def record_removed(connection: Connection, digest: str, *, expire_time: float | None) -> bool:
    """Writes that the files of a replaced image are gone.

    False if somebody else has begun since that time was given, or it is kept again: its files are not the caller's.
    None is for whoever knows that nobody is at it, and keeps all others away.
    """
    query = _held(digest, expire_time).values(files_removed=True, removal_expire_time=None)
    return connection.execute(query).rowcount > 0


def iterate_replaced(connection: Connection) -> Iterator[tuple[str, Fingerprint, str]]:
    """Yields (digest, fingerprint, digest of the better copy) of every image that was replaced."""
    hashes = (candidates.c.hash64, candidates.c.hash256, candidates.c.flat)
    query = (
        select(replaced_images.c.digest, *hashes, replaced_images.c.replaced_by_digest)
        .join(candidates, candidates.c.digest == replaced_images.c.digest)
        .execution_options(yield_per=_READ_AT_ONCE)
    )
    for digest, hash64, hash256, flat, by in connection.execute(query):
        yield digest, Fingerprint(int(hash64, 16), hash256, flat), by


def find_replaced(connection: Connection, digests: Collection[str]) -> set[str]:
    """Returns those of these images that were replaced."""
    query = select(replaced_images.c.digest).where(replaced_images.c.digest.in_(digests))
    return set(connection.scalars(query))


def find_kept_again(connection: Connection, digests: Collection[str]) -> set[str]:
    """Returns those of these images that were replaced once and are kept again, at another place in the order."""
    query = select(images.c.digest).where(images.c.digest.in_(digests), images.c.kept_again)
    return set(connection.scalars(query))


def get_files(connection: Connection, digest: str) -> ReplacedFiles:
    """Returns the files that a replaced image had.

    Raises:
        NoResultFound: It was not replaced.
    """
    query = select(*_FILES).where(replaced_images.c.digest == digest)
    return _files(*connection.execute(query).one())


def keep_again(connection: Connection, digests: Collection[str]) -> None:
    """Forgets that images were replaced, which are kept again: a person said that they are no copies.

    Their files of before are gone, or somebody might still remove them.
    Sinks are to get them once more, after they were told that they were replaced. Belongs into the transaction that
    keeps them, behind their rows and before sinks are owed anything.
    """
    query = delete(replaced_images).where(replaced_images.c.digest.in_(digests))
    back = connection.scalars(query.returning(replaced_images.c.digest)).all()
    if back:
        again = update(images).where(images.c.digest.in_(back)).values(kept_again=True)
        connection.execute(again)


def find_successors(connection: Connection, digests: Collection[str]) -> dict[str, str]:
    """Returns by what images were replaced, and by what those were, and so on: the next digest by each."""
    following: dict[str, str] = {}
    asked: Collection[str] = digests
    while asked:
        rows = connection.execute(_SUCCESSORS, {"digests": list(asked)})
        found = {row.digest: row.replaced_by_digest for row in rows}
        following |= found
        asked = set(found.values()) - following.keys()
    return following


def find_end(connection: Connection, digest: str) -> str:
    """Returns the digest of what is in an image's place now: the last one that replaced it, or its own."""
    return chain_of(digest, find_successors(connection, [digest]))[-1]


def find_predecessors(connection: Connection, digest: str) -> list[ReplacedFiles]:
    """Returns what an image has replaced, and what that had replaced, and so on; the latest first."""
    found: list[ReplacedFiles] = []
    asked = [digest]
    while asked:
        query = select(*_FILES).where(replaced_images.c.replaced_by_digest.in_(asked))
        page = [_files(*row) for row in connection.execute(query)]
        found += page
        asked = [one.digest for one in page]
    return found


def _held(digest: str, expire_time: float | None) -> Update:
    """Changes the row of a replaced image while its removal is held until that very time."""
    return update(replaced_images).where(
        replaced_images.c.digest == digest,
        replaced_images.c.removal_expire_time.is_not_distinct_from(expire_time),
    )


def _note(connection: Connection, replacement: Replacement, *, now: float) -> None:
    old = (
        select(
            *(images.c.digest, images.c.sequence, images.c.accept_time),
            *(kept_images.c.profile_name, kept_images.c.file_name),
        )
        .join(kept_images, kept_images.c.digest == images.c.digest)
        .where(images.c.digest.in_(replacement.replaced))
        .order_by(images.c.sequence)
    )
    rows = [
        {
            **row._mapping,  # noqa: SLF001 - SQLAlchemy's public name
            "replaced_by_digest": replacement.digest,
            "replace_time": now,
            "files_removed": False,
        }
        for row in connection.execute(old)
    ]
    connection.execute(replaced_images.insert(), rows)


def _judge(connection: Connection, replacement: Replacement) -> list[tuple[str, ProfileVersion]]:
    """Every ACCEPTED becomes REPLACED; returns (digest, profile version) of each."""
    judged = judgements.c
    query = (
        update(judgements)
        .where(
            judged.digest.in_(replacement.replaced),
            judged.profile_name == replacement.profile_name,
            judged.verdict == Verdict.ACCEPTED.value,
        )
        .values(
            verdict=Verdict.REPLACED.value,
            reason=f"replaced by {replacement.digest[:12]}, a better copy: {replacement.why}",
            duplicate_of_digest=replacement.digest,
        )
        .returning(judged.digest, judged.profile_name, judged.profile_version)
    )
    return [
        (row.digest, ProfileVersion(row.profile_name, row.profile_version))
        for row in connection.execute(query)
    ]


def _files_of(connection: Connection, digests: Collection[str]) -> list[ReplacedFiles]:
    query = select(*_FILES).where(replaced_images.c.digest.in_(digests))
    return [_files(*row) for row in connection.execute(query)]


def _files(digest: str, profile_name: str, file_name: str, replaced_by: str) -> ReplacedFiles:
    return ReplacedFiles(digest, (profile_name, file_name), replaced_by)
