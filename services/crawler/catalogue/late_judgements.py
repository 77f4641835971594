"""Judgements that are written later than what they judge was read: what changed meanwhile counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, select

from services.crawler.catalogue.accept_order import share_accept_lock
from services.crawler.catalogue.judgements import add_judgements
from services.crawler.catalogue.many import Lookup
from services.crawler.catalogue.near_images import find_contradicted
from services.crawler.catalogue.schema import candidates, kept_images, replaced_images
from services.crawler.judgement import Judgement, ProfileVersion, Verdict

_FIND_CANDIDATES = Lookup(
    lambda among: select(candidates.c.digest).where(among(candidates.c.digest, "digests"))
)
_FIND_KEPT = Lookup(
    lambda among: select(kept_images.c.digest).where(
        among(kept_images.c.digest, "digests"),
        kept_images.c.profile_name == bindparam("of_name"),
    )
)
_FIND_SUCCESSORS = Lookup(
    lambda among: select(replaced_images.c.digest, replaced_images.c.replaced_by_digest).where(
        among(replaced_images.c.digest, "digests"),
        replaced_images.c.profile_name == bindparam("of_name"),
    )
)


def record_judgements(
    connection: Connection, profile: ProfileVersion, judged: Mapping[str, Judgement], *, now: float
) -> dict[str, Judgement]:
    """Writes judgements by digest, as they stand in the order of accepts. Returns those, but for what is left out.

    Left out is what was purged, what is accepted without being kept under the profile's name, and what is called a
    duplicate of an image that a person has called distinct from it. What a better copy has replaced meanwhile is a
    duplicate of that. There is one judgement per digest and profile version: a second one changes nothing.
    """
    # To the end of the transaction nothing is replaced, purged or called distinct.
    share_accept_lock(connection)
    there = _FIND_CANDIDATES.run(connection, digests=list(judged)).scalars()
    standing = _standing(connection, profile, {digest: judged[digest] for digest in there})
    standing = _not_contradicted(connection, standing)
    add_judgements(connection, profile, standing, now=now)
    return standing


def _standing(
    connection: Connection, profile: ProfileVersion, judged: Mapping[str, Judgement]
) -> dict[str, Judgement]:
    accepted = [digest for digest, one in judged.items() if one.verdict is Verdict.ACCEPTED]
    named = {"digests": accepted, "of_name": profile.name}
    let_go = set(accepted) - set(_FIND_KEPT.run(connection, **named).scalars())
    successors = _successors(connection, profile, let_go) if let_go else {}
    return {
        digest: _duplicate(one, successors[digest]) if digest in successors else one
        for digest, one in judged.items()
        if digest not in let_go or digest in successors
    }


def _not_contradicted(
    connection: Connection, judged: Mapping[str, Judgement]
) -> dict[str, Judgement]:
    pairs = {
        digest: (digest, one.duplicate_of)
        for digest, one in judged.items()
        if one.verdict is Verdict.DUPLICATE
    }
    contradicted = find_contradicted(connection, pairs.values()) if pairs else set()
    return {digest: one for digest, one in judged.items() if pairs.get(digest) not in contradicted}


def _successors(
    connection: Connection, profile: ProfileVersion, digests: Collection[str]
) -> dict[str, str]:
    found = _FIND_SUCCESSORS.run(connection, digests=list(digests), of_name=profile.name)
    return {row.digest: row.replaced_by_digest for row in found}


def _duplicate(judgement: Judgement, successor: str) -> Judgement:
    reason = f"these bytes were replaced by {successor[:12]}, a better copy"
    return Judgement(Verdict.DUPLICATE, reason, judgement.evidence, successor)
