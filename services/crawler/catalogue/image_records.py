"""Image records, read out of the catalogue a page at a time, in the order of accepting."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from services.crawler.catalogue.frontier import listing_of
from services.crawler.catalogue.judgements import decoded_of, evidence_of, judgement_of
from services.crawler.catalogue.kept_images import compliance_of
from services.crawler.catalogue.many import Lookup
from services.crawler.catalogue.purges import find_purged
from services.crawler.catalogue.replacements import find_kept_again, find_replaced
from services.crawler.catalogue.schema import (
    candidates,
    crawl_sources,
    images,
    judgements,
    kept_images,
    listings,
)
from services.crawler.image_record import (
    ImageRecord,
    RecordedJudgement,
    RecordedKeep,
    RecordedListing,
)
from services.crawler.judgement import ProfileVersion
from services.crawler.outcome import OutcomeState
from services.servicekit.errors import FailedPrecondition

# Sequences that one transaction looks at: a selection may match few of them.
_WINDOW = 4_096
# A server would send them all at once.
_FIND_AT_ONCE = 10_000
_FIND_SEQUENCES = Lookup(
    lambda among: select(images.c.sequence).where(among(images.c.digest, "digests"))
)
_DETECTION = ("watermark_probability", "quadrant_probabilities", "detector_id")


class OtherCatalogue(FailedPrecondition):
    """An earlier export went up to an image that this catalogue never had at that place."""

    def __init__(self, sequence: int) -> None:
        super().__init__(
            f"image {sequence:,} of the earlier export is not in this catalogue: it was made from another one, or this "
            "one was restored from a backup since; export into another folder"
        )
        self.sequence = sequence


@dataclass(frozen=True, slots=True)
class Reach:
    """How far an export goes.

    Attributes:
        sequence: The last image of the store; 0 if there is none.
        digest: Its digest; empty if there is none.
        time: When that was, seconds since 1970.
    """

    sequence: int = 0
    digest: str = ""
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """Which images are exported: those that match all that is set.

    Attributes:
        profile_name: Kept under this name, of which alone is told what was said; empty is any.
        profile_version: Accepted by this version of it; 0 is any.
        source: Listed by this source; empty is any.
        since: Accepted then or later, seconds since 1970; None is from the beginning.
        until: Accepted before; None is to the end.
        earlier: An export went so far before: only what came since.
        reach: How far this one goes.
        left_out: The places of images that earlier exports left out, ascending: they are as new.
    """

    profile_name: str = ""
    profile_version: int = 0
    source: str = ""
    since: float | None = None
    until: float | None = None
    earlier: Reach = Reach()
    reach: Reach = Reach()
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records in their order.

    Attributes:
        records: They may be few, or none, with more to come.
        reached: The sequence up to which was looked.
    """

    records: tuple[ImageRecord, ...]
    reached: int


def read_reach(connection: Connection, *, now: float) -> Reach:
    """Returns how far an export goes that begins now."""
    query = select(images.c.sequence, images.c.digest).order_by(images.c.sequence.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Reach(time=now) if row is None else Reach(row.sequence, row.digest, now)


def require_own(connection: Connection, reach: Reach) -> None:
    """Passes a reach that this catalogue gave.

    Raises:
        OtherCatalogue: Its last image is another one here, and was neither purged nor replaced, nor kept again since.
    """
    if not reach.sequence:
        return
    query = select(images.c.digest).where(images.c.sequence == reach.sequence)
    digest = connection.execute(query).scalar_one_or_none()
    finds = (find_purged, find_replaced, find_kept_again)
    is_gone = digest is None and any(
        reach.digest in find(connection, [reach.digest]) for find in finds
    )
    if digest != reach.digest and not is_gone:
        raise OtherCatalogue(reach.sequence)


def keeps_anything(connection: Connection, profile_name: str) -> bool:
    """Whether an image is kept under a profile's name."""
    query = select(kept_images.c.digest).where(kept_images.c.profile_name == profile_name).limit(1)
    return connection.execute(query).first() is not None


def knows_source(connection: Connection, source: str) -> bool:
    """Whether a crawl has this source, or a listing is from it."""
    queries = (
        select(crawl_sources.c.uri).where(crawl_sources.c.uri == source),
        select(listings.c.source).where(listings.c.source == source),
    )
    return any(connection.execute(query.limit(1)).first() is not None for query in queries)


def find_sequences(connection: Connection, digests: Sequence[str]) -> tuple[int, ...]:
    """Returns the places of those of these images that are in the store, ascending."""
    parts = (digests[at : at + _FIND_AT_ONCE] for at in range(0, len(digests), _FIND_AT_ONCE))
    found = (_FIND_SEQUENCES.run(connection, digests=list(part)).scalars() for part in parts)
    return tuple(sorted(sequence for part in found for sequence in part))


def is_stored(connection: Connection, digest: str) -> bool:
    """Whether an image is in the store as far as the catalogue knows."""
    return (
        connection.execute(select(images.c.digest).where(images.c.digest == digest)).first()
        is not None
    )


def read_records(
    connection: Connection, choice: ExportChoice, *, after: int, limit: int
) -> RecordPage:
    """Returns records behind a sequence, at most `limit`."""
    last = min(after + _WINDOW, choice.reach.sequence)
    query = (
        select(
            images.c.sequence,
            images.c.accept_time,
            images.c.compliance,
            images.c.listing_id,
            images.c.final_url,
            *(column for column in candidates.c if not column.system),
        )
        .join(candidates, candidates.c.digest == images.c.digest)
        .where(images.c.sequence > after, images.c.sequence <= last)
        .where(*_chosen(choice, after, last))
        .order_by(images.c.sequence)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    known = _Known(connection, [row.digest for row in rows], choice.profile_name)
    known.find_listings([row.listing_id for row in rows])
    records = tuple(known.record(row) for row in rows)
    return RecordPage(records, rows[-1].sequence if len(rows) == limit else last)


def _chosen(choice: ExportChoice, after: int, last: int) -> list[ColumnElement[bool]]:
    """An image is chosen by one of its keeps, and is new by its sequence, by a keep, or because it was left out."""
    kept: list[ColumnElement[bool]] = [kept_images.c.digest == images.c.digest]
    time = func.coalesce(kept_images.c.keep_time, images.c.accept_time)
    if choice.profile_name:
        kept.append(kept_images.c.profile_name == choice.profile_name)
    later = [*kept, time >= choice.earlier.time, time < choice.reach.time]
    if choice.profile_version:
        kept.append(kept_images.c.profile_version == choice.profile_version)
    if choice.since is not None:
        kept.append(time >= choice.since)
    if choice.until is not None:
        kept.append(time < choice.until)
    chosen: list[ColumnElement[bool]] = [exists().where(*kept)]
    if choice.earlier.sequence:
        is_new = images.c.sequence > choice.earlier.sequence
        begin, end = (bisect_right(choice.left_out, place) for place in (after, last))
        was_left_out = images.c.sequence.in_(choice.left_out[begin:end])
        chosen.append(or_(is_new, exists().where(*later), was_left_out))
    if choice.source:
        listed = and_(listings.c.digest == images.c.digest, listings.c.source == choice.source)
        chosen.append(exists().where(listed))
    return chosen


class _Known:
    """What belongs to the images of a page."""

    def __init__(self, connection: Connection, digests: Sequence[str], profile_name: str) -> None:
        self._connection = connection
        self._listings: dict[int, Any] = {}
        self._judged: defaultdict[str, list[RecordedJudgement]] = defaultdict(list)
        self._kept: defaultdict[str, list[Any]] = defaultdict(list)
        judged = (
            select(judgements, *(candidates.c[name] for name in _DETECTION))
            .join(candidates)
            .where(judgements.c.digest.in_(digests))
            .order_by(judgements.c.profile_name, judgements.c.profile_version)
        )
        kept = (
            select(kept_images)
            .where(kept_images.c.digest.in_(digests))
            .order_by(kept_images.c.keep_time, kept_images.c.profile_name)
        )
        if profile_name:
            judged = judged.where(judgements.c.profile_name == profile_name)
            kept = kept.where(kept_images.c.profile_name == profile_name)
        for row in connection.execute(judged):
            profile = ProfileVersion(row.profile_name, row.profile_version)
            judgement = RecordedJudgement(profile, judgement_of(row), row.judge_time)
            self._judged[row.digest].append(judgement)
        for row in connection.execute(kept):
            self._kept[row.digest].append(row)

    def find_listings(self, listing_ids: Sequence[int]) -> None:
        """Reads these listings, and those that images were kept for."""
        keeps = (row for rows in self._kept.values() for row in rows)
        wanted = {*listing_ids, *(row.listing_id for row in keeps if row.listing_id is not None)}
        query = select(listings).where(listings.c.listing_id.in_(wanted))
        self._listings = {row.listing_id: row for row in self._connection.execute(query)}

    def record(self, row: Any) -> ImageRecord:
        """The record of an image."""
        evidence = evidence_of(row, encoder_id=row.encoder_id, detector_id=row.detector_id)
        return ImageRecord(
            row.digest,
            row.size_bytes,
            decoded_of(row),
            evidence,
            self._origin(row, row.listing_id, row.final_url),
            row.accept_time,
            compliance_of(row.compliance),
            tuple(self._judged[row.digest]),
            tuple(self._keep(row, kept) for kept in self._kept[row.digest]),
            row.sequence,
        )

    def _keep(self, row: Any, kept: Any) -> RecordedKeep:
        listing_id = kept.listing_id or row.listing_id
        own = "" if listing_id == row.listing_id else self._listings[listing_id].final_url
        return RecordedKeep(
            ProfileVersion(kept.profile_name, kept.profile_version),
            kept.file_name,
            row.accept_time if kept.keep_time is None else kept.keep_time,
            self._origin(row, listing_id, own or row.final_url),
            is_named=kept.linked,
        )

    def _origin(self, row: Any, listing_id: int, final_url: str) -> RecordedListing:
        found = self._listings[listing_id]
        has_it = (found.outcome_state, found.digest) == (OutcomeState.FETCHED.value, row.digest)
        return RecordedListing(listing_of(found), final_url, found.outcome_time if has_it else None)
