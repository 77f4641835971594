"""Images in the store as a check sees them: what the catalogue says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, select

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue.judgements import decoded_of
from services.crawler.catalogue.schema import candidates, images, judgements, kept_images
from services.crawler.judgement import ProfileVersion

# What a judgement and its sidecar both have.
SHARED = ("verdict", "log_likelihood", "percentile", "threshold_nats", "watermark_threshold")

_FACTS = (
    *("digest", "size_bytes", "width_px", "height_px", "format", "animated", "flat"),
    *("hash64", "hash256", "mirrored64", "mirrored256"),
)
_PAGE = (
    select(images.c.sequence, images.c.final_url, *(candidates.c[name] for name in _FACTS))
    .join(candidates, candidates.c.digest == images.c.digest)
    .order_by(images.c.sequence)
)
_KEEPS = select(
    kept_images.c.digest,
    kept_images.c.profile_name,
    kept_images.c.profile_version,
    kept_images.c.file_name,
    kept_images.c.linked,
    kept_images.c.keep_time,
    *(judgements.c[name] for name in SHARED),
).outerjoin(
    judgements,
    and_(
        judgements.c.digest == kept_images.c.digest,
        judgements.c.profile_name == kept_images.c.profile_name,
        judgements.c.profile_version == kept_images.c.profile_version,
    ),
)


@dataclass(frozen=True, slots=True)
class KeptName:
    """Under which profile an image is kept, and what that profile said of it.

    Attributes:
        profile: The version that accepted it.
        file_name: Its readable name.
        linked: Whether it was made.
        keep_time: When it was accepted; None if that is not known any more.
        judgement: `SHARED` facts; all None if there is no judgement.
    """

    profile: ProfileVersion
    file_name: str
    linked: bool
    keep_time: float | None
    judgement: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the store.

    Attributes:
        sequence: The order of accepting.
        digest: SHA-256, 64 hex digits.
        final_url: The address that answered.
        row: Its row of candidates, without evidence.
        keeps: The profiles that keep it.
    """

    sequence: int
    digest: str
    final_url: str
    row: Any
    keeps: tuple[KeptName, ...] = field(default=())

    def decoded(self) -> DecodedCandidate:
        """Its facts and perceptual hashes.

        Raises:
            ValueError: They cannot be read.
        """
        return decoded_of(self.row)


def read_page(connection: Connection, *, after: int, limit: int) -> list[StoredImage]:
    """Returns images behind a sequence, at most `limit`, in their order."""
    rows = connection.execute(_PAGE.where(images.c.sequence > after).limit(limit)).all()
    keeps = _read_keeps(connection, [row.digest for row in rows])
    return [
        StoredImage(row.sequence, row.digest, row.final_url, row, tuple(keeps.get(row.digest, ())))
        for row in rows
    ]


def stored_digests(connection: Connection, sequences: Sequence[int]) -> set[str]:
    """The digests of the images that are in the store under these numbers now."""
    query = select(images.c.digest).where(images.c.sequence.in_(sequences))
    return set(connection.execute(query).scalars())


def _read_keeps(connection: Connection, digests: Sequence[str]) -> dict[str, list[KeptName]]:
    keeps: dict[str, list[KeptName]] = {}
    for row in connection.execute(_KEEPS.where(kept_images.c.digest.in_(digests))):
        profile = ProfileVersion(row.profile_name, row.profile_version)
        judged = {name: row._mapping[name] for name in SHARED}  # noqa: SLF001 - SQLAlchemy's public name
        kept = KeptName(profile, row.file_name, row.linked, row.keep_time, judged)
        keeps.setdefault(row.digest, []).append(kept)
    return keeps
