"""Candidates and judgements: what was learned of fetched bytes, and what the gates said of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, func, or_, select

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.catalogue.embeddings import embedding_of
from services.crawler.catalogue.many import Given, Lookup, Many, types_of
from services.crawler.catalogue.schema import candidates, judgements
from services.crawler.judgement import (
    Detection,
    Evidence,
    Judgement,
    ProfileVersion,
    Score,
    Verdict,
)

_FACT_COLUMNS = (
    *("digest", "size_bytes", "width_px", "height_px", "format", "animated"),
    *("hash64", "hash256", "mirrored64", "mirrored256", "flat"),
)
_EMBEDDING_COLUMNS = ("encoder_id", "precision", "embedding")
_DETECTION_COLUMNS = ("detector_id", "watermark_probability", "quadrant_probabilities")


_EVIDENCE_COLUMNS = _EMBEDDING_COLUMNS + _DETECTION_COLUMNS


def _upsert_candidates(given: Given) -> Executable:
    new = given.into(candidates)
    found = {
        name: func.coalesce(new.excluded[name], candidates.c[name]) for name in _EVIDENCE_COLUMNS
    }
    is_new = or_(new.excluded.encoder_id.is_not(None), new.excluded.detector_id.is_not(None))
    return new.on_conflict_do_update(index_elements=["digest"], set_=found, where=is_new)


# One statement, whatever was found out of each: the rows are in one order.
_UPSERT_CANDIDATES = Many(
    types_of(candidates, _FACT_COLUMNS + _EVIDENCE_COLUMNS), _upsert_candidates
)
_INSERT_JUDGEMENTS = Many(
    types_of(judgements, tuple(column.name for column in judgements.c)),
    lambda given: given.into(judgements).on_conflict_do_nothing().returning(judgements.c.digest),
)
_LIST_VERDICTS = Lookup(
    lambda among: select(judgements.c.digest, judgements.c.verdict).where(
        among(judgements.c.digest, "digests"),
        judgements.c.profile_name == bindparam("of_name"),
        judgements.c.profile_version == bindparam("of_version"),
    )
)
# Built once, with the values bound: building a statement costs six times what running it does (measured).
_GET_JUDGEMENT = (
    select(candidates, judgements)
    .join(judgements)
    .where(
        judgements.c.digest == bindparam("of_digest"),
        judgements.c.profile_name == bindparam("of_name"),
        judgements.c.profile_version == bindparam("of_version"),
    )
)


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of a candidate.

    Attributes:
        digest: SHA-256 of its bytes, 64 hex digits.
        decoded: Its facts and hashes.
        size_bytes: How many bytes it has.
        evidence: What the gates found out.
    """

    digest: str
    decoded: DecodedCandidate
    size_bytes: int
    evidence: Evidence


def record_candidates(connection: Connection, found: Iterable[Learned]) -> None:
    """Writes what was learned of candidates; evidence that was recorded before and is not there now stays."""
    rows: dict[str, dict[str, object]] = {}
    # In one order, so that two crawlers do not wait for each other; of one candidate the last evidence counts.
    for one in sorted(found, key=lambda learned: learned.digest):
        row = rows.setdefault(one.digest, dict.fromkeys(_EVIDENCE_COLUMNS))
        row |= _candidate_columns(one) | _evidence_columns(one.evidence)
    if rows:
        _UPSERT_CANDIDATES.run(connection, list(rows.values()))


def get_candidate(
    connection: Connection, digest: str, *, encoder_id: str, detector_id: str
) -> tuple[DecodedCandidate, Evidence] | None:
    """Returns a recorded candidate without pixels, with the evidence that this encoder and detector gave.

    A detection comes without its threshold (NaN), which is the service's of today.
    """
    row = connection.execute(select(candidates).where(candidates.c.digest == digest)).one_or_none()
    if row is None:
        return None
    return decoded_of(row), evidence_of(row, encoder_id=encoder_id, detector_id=detector_id)


def add_judgements(
    connection: Connection, profile: ProfileVersion, judged: Mapping[str, Judgement], *, now: float
) -> set[str]:
    """Writes judgements by digest, of candidates that are there: as when they were written in the same transaction.

    There is one per digest and profile version: a second one changes nothing. Returns the digests of the new ones.
    """
    rows = [
        _judgement_columns(digest, profile, judgement, now=now)
        for digest, judgement in sorted(judged.items())
    ]
    return set(_INSERT_JUDGEMENTS.run(connection, rows).scalars()) if rows else set()


def list_verdicts(
    connection: Connection, digests: Collection[str], profile: ProfileVersion
) -> dict[str, Verdict]:
    """Returns the verdicts under a profile version of those of these bytes that were judged; by digest."""
    rows = _LIST_VERDICTS.run(
        connection, digests=list(digests), of_name=profile.name, of_version=profile.version
    )
    return {row.digest: Verdict(row.verdict) for row in rows}


def get_judgement(
    connection: Connection, digest: str, profile: ProfileVersion
) -> tuple[DecodedCandidate, Judgement] | None:
    """Returns what was judged of these bytes under a profile version; the embedding is left out."""
    of = {"of_digest": digest, "of_name": profile.name, "of_version": profile.version}
    row = connection.execute(_GET_JUDGEMENT, of).one_or_none()
    if row is None:
        return None
    return decoded_of(row), judgement_of(row)


def decoded_of(row: Any) -> DecodedCandidate:
    """Reads the facts and hashes of a row of candidates; it has no inputs."""
    flat = row.flat
    return DecodedCandidate(
        row.width_px,
        row.height_px,
        row.format,
        row.animated,
        Fingerprint(int(row.hash64, 16), row.hash256, flat),
        Fingerprint(int(row.mirrored64, 16), row.mirrored256, flat),
        {},
    )


def evidence_of(row: Any, *, encoder_id: str, detector_id: str) -> Evidence:
    """Reads the evidence of a row of candidates that this encoder and detector gave, as `get_candidate` does."""
    embedding = detection = None
    if row.embedding is not None and row.encoder_id == encoder_id:
        embedding = embedding_of(row)
    if row.watermark_probability is not None and row.detector_id == detector_id:
        detection = _detection_of(row, threshold=float("nan"))
    return Evidence(embedding=embedding, detection=detection)


def judgement_of(row: Any) -> Judgement:
    """Reads the judgement of a row of judgements that has its candidate's detection too."""
    score = detection = None
    if row.log_likelihood is not None:
        score = Score(row.log_likelihood, row.percentile, row.threshold_nats)
    if row.watermark_threshold is not None:
        detection = _detection_of(row, threshold=row.watermark_threshold)
    evidence = Evidence(score=score, detection=detection)
    return Judgement(Verdict(row.verdict), row.reason, evidence, row.duplicate_of_digest)


def _candidate_columns(learned: Learned) -> dict[str, object]:
    decoded = learned.decoded
    return {
        "digest": learned.digest,
        "size_bytes": learned.size_bytes,
        "width_px": decoded.width_px,
        "height_px": decoded.height_px,
        "format": decoded.format,
        "animated": decoded.animated,
        "hash64": decoded.fingerprint.hex,
        "hash256": decoded.fingerprint.hash256,
        "mirrored64": decoded.mirrored.hex,
        "mirrored256": decoded.mirrored.hash256,
        "flat": decoded.fingerprint.flat,
    }


def _evidence_columns(evidence: Evidence) -> dict[str, object]:
    columns: dict[str, object] = {}
    if evidence.embedding is not None:
        columns["encoder_id"] = evidence.embedding.encoder_id
        columns["precision"] = evidence.embedding.precision.value
        columns["embedding"] = evidence.embedding.values.astype("<f4").tobytes()
    if evidence.detection is not None:
        columns["detector_id"] = evidence.detection.detector_id
        columns["watermark_probability"] = evidence.detection.probability
        quadrants = list(evidence.detection.quadrant_probabilities)
        columns["quadrant_probabilities"] = json.dumps(quadrants)
    return columns


def _judgement_columns(
    digest: str, profile: ProfileVersion, judgement: Judgement, *, now: float
) -> dict[str, object]:
    score, detection = judgement.evidence.score, judgement.evidence.detection
    return {
        "digest": digest,
        "profile_name": profile.name,
        "profile_version": profile.version,
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "log_likelihood": score.log_likelihood if score else None,
        "percentile": score.percentile if score else None,
        "threshold_nats": score.threshold_nats if score else None,
        "watermark_threshold": detection.threshold if detection else None,
        "duplicate_of_digest": judgement.duplicate_of,
        "judge_time": now,
    }


def _detection_of(row: Any, *, threshold: float) -> Detection:
    quadrants = tuple(json.loads(row.quadrant_probabilities))
    return Detection(row.watermark_probability, quadrants, threshold, row.detector_id)
