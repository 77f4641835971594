"""The sidecar: what is known of a kept image, as JSON beside its bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from services.crawler.candidate import Candidate
from services.crawler.catalogue.frontier import Outcome
from services.crawler.compliance import Compliance
from services.crawler.judgement import Judgement, ProfileVersion
from services.crawler.listing import Listing
from services.crawler.store.blob_store import SidecarDamaged


def sidecar_facts(
    listing: Listing, outcome: Outcome, candidate: Candidate, judgement: Judgement
) -> dict[str, Any]:
    """Gathers the facts of an image; those of one judgement are in `judgement_facts`."""
    decoded, evidence = candidate.decoded, judgement.evidence
    return {
        "format_version": 1,
        "digest": candidate.digest,
        "size_bytes": outcome.size_bytes,
        "width_px": decoded.width_px,
        "height_px": decoded.height_px,
        "format": decoded.format,
        "animated": decoded.animated,
        "perceptual_hash": decoded.fingerprint.hex,
        "perceptual_hash_256": decoded.fingerprint.hash256.hex(),
        "listing": asdict(listing),
        "final_url": outcome.final_url,
        "fetch_time": _iso(outcome.time),
        "compliance": _compliance_facts(outcome.compliance) if outcome.compliance else None,
        "encoder_id": evidence.embedding.encoder_id if evidence.embedding else None,
        "precision": evidence.embedding.precision.value if evidence.embedding else None,
        "detector_id": evidence.detection.detector_id if evidence.detection else None,
    }


def judgement_facts(
    profile: ProfileVersion, judgement: Judgement, *, crawl_id: str | None, time: float
) -> dict[str, Any]:
    """Gathers the facts of one judgement: every score with its threshold."""
    score, detection = judgement.evidence.score, judgement.evidence.detection
    return {
        "profile_name": profile.name,
        "profile_version": profile.version,
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "log_likelihood": score.log_likelihood if score else None,
        "percentile": score.percentile if score else None,
        "threshold_nats": score.threshold_nats if score else None,
        "watermark_probability": detection.probability if detection else None,
        "quadrant_probabilities": list(detection.quadrant_probabilities) if detection else None,
        "watermark_threshold": detection.threshold if detection else None,
        "crawl_id": crawl_id,
        "judge_time": _iso(time),
    }


def merge_sidecar(known: bytes | None, digest: str, facts: dict[str, Any]) -> bytes:
    """Writes the sidecar of an image.

    Args:
        known: The sidecar that is there; None if there is none. What it says stays.
        digest: Of the image, 64 hex digits.
        facts: As gathered here; its `judgements`, by profile version, are added to the known ones.

    Raises:
        SidecarDamaged: The known one is no sidecar.
    """
    old = {} if known is None else _parsed(known, digest)
    judged = old.get("judgements", {}) | facts["judgements"]
    # With an indent the standard library's encoder is Python, and takes longer than writing the file does.
    return orjson.dumps(facts | old | {"judgements": judged}, option=orjson.OPT_INDENT_2)


def _parsed(content: bytes, digest: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise SidecarDamaged(digest) from error
    if not isinstance(found, dict) or not isinstance(found.get("judgements", {}), dict):
        raise SidecarDamaged(digest)
    return found


def _compliance_facts(compliance: Compliance) -> dict[str, Any]:
    return asdict(compliance) | {
        "request_time": _iso(compliance.request_time),
        "robots_time": _iso(compliance.robots_time),
    }


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
