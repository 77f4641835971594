"""The catalogue's rows about judgements: what is accepted is kept, and a duplicate has its original."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, case, exists, func, or_, select

from services.crawler.catalogue.schema import (
    candidates,
    images,
    judgements,
    kept_images,
    purged_images,
    replaced_images,
    seen_images,
)
from services.crawler.gates.gallery import FOUND
from services.crawler.judgement import Verdict
from services.crawler.seen.duplicate_index import MAX_DISTANCE_256
from services.crawler.seen.near_hashes import MAX_DISTANCE_64
from services.crawler.verifying.problem import Problem, ProblemKind

# How `services/crawler/seen/seen_images.py` states it; a test compares the two.
_DISTANCES = re.compile(r"perceptual distance (\d+) of 64 and (\d+) of 256 bits")

_ACCEPTED_NOT_KEPT = select(judgements.c.digest, judgements.c.profile_name).where(
    judgements.c.verdict == Verdict.ACCEPTED.value,
    ~exists().where(
        kept_images.c.digest == judgements.c.digest,
        kept_images.c.profile_name == judgements.c.profile_name,
    ),
)
_KEPT_NOT_ACCEPTED = select(
    kept_images.c.digest, kept_images.c.profile_name, kept_images.c.profile_version
).where(
    ~exists().where(
        judgements.c.digest == kept_images.c.digest,
        judgements.c.profile_name == kept_images.c.profile_name,
        judgements.c.profile_version == kept_images.c.profile_version,
        judgements.c.verdict == Verdict.ACCEPTED.value,
    )
)
_FOR_NOBODY = select(images.c.digest).where(
    ~exists().where(kept_images.c.digest == images.c.digest)
)

_KEPT_ALL_THE_SAME = select(replaced_images.c.digest).where(
    exists().where(images.c.digest == replaced_images.c.digest)
)
_REPLACED_BY_NOTHING = select(judgements.c.digest, judgements.c.profile_name).where(
    judgements.c.verdict == Verdict.REPLACED.value,
    # What is kept again was judged anew by one version of one profile: what others said of it once stands, also when it
    # is replaced once more.
    ~exists().where(replaced_images.c.digest == judgements.c.digest),
    ~exists().where(images.c.digest == judgements.c.digest, images.c.kept_again),
)

_original = candidates.alias("original")
_DUPLICATES = (
    select(
        judgements.c.digest,
        judgements.c.reason,
        judgements.c.duplicate_of_digest.label("original"),
        *(candidates.c[name] for name in ("hash64", "hash256", "mirrored64", "mirrored256")),
        case(
            (
                or_(
                    images.c.digest.is_not(None),
                    purged_images.c.digest.is_not(None),
                    replaced_images.c.digest.is_not(None),
                    seen_images.c.digest.is_not(None),
                ),
                1,
            ),
            else_=0,
        ).label("is_there"),
        func.coalesce(_original.c.hash64, purged_images.c.hash64, seen_images.c.hash64).label(
            "original64"
        ),
        func.coalesce(_original.c.hash256, purged_images.c.hash256, seen_images.c.hash256).label(
            "original256"
        ),
    )
    .join(candidates, candidates.c.digest == judgements.c.digest)
    .outerjoin(images, images.c.digest == judgements.c.duplicate_of_digest)
    .outerjoin(_original, _original.c.digest == judgements.c.duplicate_of_digest)
    .outerjoin(replaced_images, replaced_images.c.digest == judgements.c.duplicate_of_digest)
    .outerjoin(purged_images, purged_images.c.digest == judgements.c.duplicate_of_digest)
    .outerjoin(
        seen_images,
        and_(
            seen_images.c.digest == judgements.c.duplicate_of_digest,
            seen_images.c.profile_name == judgements.c.profile_name,
        ),
    )
    .where(
        judgements.c.verdict.in_((Verdict.DUPLICATE.value, Verdict.REPLACED.value)),
        # What a gallery has is no image of ours.
        ~and_(
            judgements.c.duplicate_of_digest == "",
            judgements.c.reason.startswith(FOUND, autoescape=True),
        ),
    )
)


def check_judgements(connection: Connection) -> Iterator[Problem]:
    """Finds acceptances without an image, and images without an acceptance."""
    for digest, profile_name in connection.execute(_ACCEPTED_NOT_KEPT):
        message = f"it was accepted for {profile_name} and is not kept"
        yield Problem(ProblemKind.ACCEPTED_NOT_KEPT, message, digest=digest)
    for row in connection.execute(_KEPT_NOT_ACCEPTED):
        profile = f"{row.profile_name}@{row.profile_version}"
        message = f"it is kept for {profile}, which did not accept it"
        yield Problem(ProblemKind.KEPT_NOT_ACCEPTED, message, digest=row.digest)
    for digest in connection.execute(_FOR_NOBODY).scalars():
        message = "it is in the store, and no profile keeps it"
        yield Problem(ProblemKind.KEPT_NOT_ACCEPTED, message, digest=digest)


def check_replacements(connection: Connection) -> Iterator[Problem]:
    """Finds images that were replaced and are kept all the same, and those of which no row says by what."""
    for digest in connection.execute(_KEPT_ALL_THE_SAME).scalars():
        message = "a better copy replaced it, and it is kept all the same"
        yield Problem(ProblemKind.REPLACEMENT_BROKEN, message, digest=digest)
    for digest, profile_name in connection.execute(_REPLACED_BY_NOTHING):
        message = f"it is said to be replaced for {profile_name}, and no row says by what"
        yield Problem(ProblemKind.REPLACEMENT_BROKEN, message, digest=digest)


def check_duplicates(connection: Connection) -> Iterator[Problem]:
    """Finds duplicates of what was neither kept nor seen, and distances that are not those of the two."""
    for row in connection.execute(_DUPLICATES):
        if not row.is_there:
            named = row.original[:12] or "no image"
            message = f"it is a duplicate of {named}, which was neither kept nor seen"
            yield Problem(ProblemKind.DUPLICATE_OF_NOTHING, message, digest=row.digest)
        elif stated := stated_distances(row.reason):
            yield from _check_distances(row, stated)


def stated_distances(reason: str) -> tuple[int, int] | None:
    """The distances of 64 and of 256 bits in the reason of a judgement; None if it states none."""
    found = _DISTANCES.search(reason)
    return (int(found[1]), int(found[2])) if found else None


def _check_distances(row: Any, stated: tuple[int, int]) -> Iterator[Problem]:
    try:
        measured = _distances(row)
    except ValueError:
        message = "a perceptual hash in its row cannot be read"
        yield Problem(ProblemKind.ROW_BROKEN, message, digest=row.digest)
        return
    is_near = stated[0] <= MAX_DISTANCE_64 and stated[1] <= MAX_DISTANCE_256
    if stated not in measured or not is_near:
        upright = "{} and {}".format(*measured[0])
        message = (
            f"it is said to be {stated[0]} and {stated[1]} bits from {row.original[:12]}, and is "
            f"{upright}" + " (mirrored {} and {})".format(*measured[1])
        )
        yield Problem(ProblemKind.DISTANCE_WRONG, message, digest=row.digest)


def _distances(row: Any) -> list[tuple[int, int]]:
    """As it is, and mirrored."""
    ways = ((row.hash64, row.hash256), (row.mirrored64, row.mirrored256))
    return [
        (
            (int(hash64, 16) ^ int(row.original64, 16)).bit_count(),
            (int.from_bytes(hash256) ^ int.from_bytes(row.original256)).bit_count(),
        )
        for hash64, hash256 in ways
    ]
