"""Candidates as a rejudgement needs them: what was recorded, judged and kept of each, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue.frontier import LeasedListing, listing_of, outcome_of
from services.crawler.catalogue.judgements import decoded_of, evidence_of, judgement_of
from services.crawler.catalogue.schema import (
    candidates,
    images,
    judgements,
    kept_images,
    listings,
)
from services.crawler.judgement import Evidence, Judgement, ProfileVersion
from services.crawler.outcome import PASSING_REASONS, OutcomeState
from services.servicekit.embedding import Precision

_position = candidates.c.position


@dataclass(frozen=True, slots=True)
class RejudgeTerms:
    """Under which profile version candidates are judged again, and which recorded evidence serves it.

    Attributes:
        profile: The version.
        encoder_id: Embeddings of this encoder serve.
        precisions: Of these, those of one of these precisions.
        detector_id: Detections of this detector serve.
    """

    profile: ProfileVersion
    encoder_id: str
    precisions: frozenset[Precision]
    detector_id: str


@dataclass(frozen=True, slots=True)
class EarlierJudgement:
    """A judgement with the profile version that it was made under."""

    profile: ProfileVersion
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class KnownCandidate:
    """A candidate with what the catalogue knows of it.

    Attributes:
        position: Its place among all, ascending.
        digest: SHA-256 of its bytes, 64 hex digits.
        size_bytes: How many bytes.
        decoded: Facts and hashes, without inputs.
        evidence: What serves the terms; a detection comes without its threshold (NaN), which is the service's of today.
        judged: Its judgement under the terms' version; None if there is none.
        before: Its newest judgement under an earlier version of the same name; None if there is none.
        kept: Whether it is kept under the profile's name.
        leased: The first listing that has these bytes, which nobody holds; if none has them any more, the one that they
            are kept for, with another outcome; None without either.
        is_listed: Whether that listing has these bytes, as far as is known: a host that is away for now may still.
    """

    position: int
    digest: str
    size_bytes: int
    decoded: DecodedCandidate
    evidence: Evidence
    judged: Judgement | None
    before: EarlierJudgement | None
    kept: bool
    leased: LeasedListing | None
    is_listed: bool


def list_known(
    connection: Connection, terms: RejudgeTerms, *, after: int, limit: int
) -> list[KnownCandidate]:
    """Returns the candidates behind a position, at most `limit`."""
    # In the order in which they were first judged; SQLite reads the table from its beginning to its end.
    query = select(candidates, _position.label("position")).where(_position > after)
    rows = connection.execute(query.order_by(_position).limit(limit)).all()
    digests = [row.digest for row in rows]
    judged = _judged(connection, digests, terms.profile)
    kept = _kept(connection, digests, terms.profile.name)
    keeping, having = _keeping_listings(connection, digests), _having_listings(connection, digests)
    found = keeping | having
    return [
        KnownCandidate(
            row.position,
            row.digest,
            row.size_bytes,
            decoded_of(row),
            _evidence(row, terms),
            _under(judged.get(row.digest, []), terms.profile),
            _before(judged.get(row.digest, []), terms.profile),
            row.digest in kept,
            found.get(row.digest),
            row.digest in having,
        )
        for row in rows
    ]


def _evidence(row: Any, terms: RejudgeTerms) -> Evidence:
    evidence = evidence_of(row, encoder_id=terms.encoder_id, detector_id=terms.detector_id)
    embedding = evidence.embedding
    if embedding is not None and embedding.precision not in terms.precisions:
        return Evidence(detection=evidence.detection)
    return evidence


def _judged(
    connection: Connection, digests: Sequence[str], profile: ProfileVersion
) -> dict[str, list[EarlierJudgement]]:
    """What was judged under this and earlier versions, by digest, oldest version first."""
    detections = ("watermark_probability", "quadrant_probabilities", "detector_id")
    query = (
        select(judgements, *(candidates.c[name] for name in detections))
        .join(candidates)
        .where(
            judgements.c.digest.in_(digests),
            judgements.c.profile_name == profile.name,
            judgements.c.profile_version <= profile.version,
        )
        .order_by(judgements.c.profile_version)
    )
    found: dict[str, list[EarlierJudgement]] = {}
    for row in connection.execute(query):
        version = ProfileVersion(row.profile_name, row.profile_version)
        found.setdefault(row.digest, []).append(EarlierJudgement(version, judgement_of(row)))
    return found


def _under(judged: list[EarlierJudgement], profile: ProfileVersion) -> Judgement | None:
    return next((one.judgement for one in judged if one.profile == profile), None)


def _before(judged: list[EarlierJudgement], profile: ProfileVersion) -> EarlierJudgement | None:
    return next((one for one in reversed(judged) if one.profile != profile), None)


def _kept(connection: Connection, digests: Sequence[str], profile_name: str) -> set[str]:
    query = select(kept_images.c.digest).where(
        kept_images.c.digest.in_(digests), kept_images.c.profile_name == profile_name
    )
    return set(connection.execute(query).scalars())


def _having_listings(connection: Connection, digests: Sequence[str]) -> dict[str, LeasedListing]:
    """The first listing of each digest that had these bytes when it was last fetched; it may have been away since."""
    outcome = (listings.c.outcome_state, listings.c.outcome_reason)
    may_have = or_(
        outcome[0].is_(None),
        outcome[0] == OutcomeState.FETCHED.value,
        outcome[1].in_(PASSING_REASONS),
    )
    first = (
        select(func.min(listings.c.listing_id))
        .where(listings.c.digest.in_(digests), may_have)
        .group_by(listings.c.digest)
    )
    columns = (listings, listings.c.digest.label("bytes"))
    return _leased(connection.execute(select(*columns).where(listings.c.listing_id.in_(first))))


def _keeping_listings(connection: Connection, digests: Sequence[str]) -> dict[str, LeasedListing]:
    """The listing that each digest is in the store for."""
    query = (
        select(listings, images.c.digest.label("bytes"))
        .join(images, images.c.listing_id == listings.c.listing_id)
        .where(images.c.digest.in_(digests))
    )
    return _leased(connection.execute(query))


def _leased(rows: Iterable[Any]) -> dict[str, LeasedListing]:
    return {
        row.bytes: LeasedListing(row.listing_id, listing_of(row), 0, outcome_of(row), row.host)
        for row in rows
    }
