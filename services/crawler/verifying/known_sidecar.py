"""A sidecar made out of the catalogue alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from services.crawler.candidate import Candidate
from services.crawler.catalogue.frontier import Outcome, listing_of
from services.crawler.catalogue.judgements import decoded_of, evidence_of, judgement_of
from services.crawler.catalogue.kept_images import compliance_of
from services.crawler.catalogue.schema import (
    candidates,
    images,
    judgements,
    kept_images,
    listings,
)
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.outcome import OutcomeState
from services.crawler.store.sidecar import judgement_facts, sidecar_facts

_IMAGE = (
    select(
        listings,
        images.c.accept_time,
        images.c.compliance,
        images.c.final_url.label("answered"),
    )
    .select_from(images)
    .join(listings, listings.c.listing_id == images.c.listing_id)
)
_KEPT = (
    select(candidates, judgements)
    .select_from(kept_images)
    .join(candidates, candidates.c.digest == kept_images.c.digest)
    .join(
        judgements,
        (judgements.c.digest == kept_images.c.digest)
        & (judgements.c.profile_name == kept_images.c.profile_name)
        & (judgements.c.profile_version == kept_images.c.profile_version),
    )
)


def known_sidecar(connection: Connection, digest: str) -> dict[str, Any]:
    """The sidecar of an image as its first accept would have written it; which crawl judged is not known any more.

    Raises:
        NoResultFound: It is not in the store.
        ValueError: Its row cannot be read.
    """
    image = connection.execute(_IMAGE.where(images.c.digest == digest)).one()
    row = connection.execute(select(candidates).where(candidates.c.digest == digest)).one()
    evidence = evidence_of(row, encoder_id=row.encoder_id, detector_id=row.detector_id)
    outcome = Outcome(
        OutcomeState.FETCHED,
        None,
        "",
        image.answered,
        digest,
        row.size_bytes,
        image.accept_time,
        compliance=compliance_of(image.compliance),
    )
    candidate = Candidate(b"", digest, decoded_of(row))
    judged = Judgement(Verdict.ACCEPTED, "", evidence)
    facts = sidecar_facts(listing_of(image), outcome, candidate, judged)
    return facts | {"judgements": _judgements(connection, digest)}


def _judgements(connection: Connection, digest: str) -> dict[str, Any]:
    judged = {}
    for row in connection.execute(_KEPT.where(kept_images.c.digest == digest)):
        profile = ProfileVersion(row.profile_name, row.profile_version)
        judged[str(profile)] = judgement_facts(
            profile, judgement_of(row), crawl_id=None, time=row.judge_time
        )
    return judged
