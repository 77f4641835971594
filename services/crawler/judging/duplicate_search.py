"""Finds what given images would be duplicates of: what people ask for outside of crawls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue import judgements, kept_images
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.judgement import Judgement
from services.crawler.judging.inspector import Inspector
from services.crawler.seen.duplicate_index import Match
from services.crawler.seen.seen_images import Copy, Memory, SeenImages
from services.servicekit.errors import NotFound
from services.servicekit.image import Rgb

_MAX_COPIES = 100


@dataclass(frozen=True, slots=True)
class KnownCopy:
    """An image that is remembered and near to a given one.

    Attributes:
        copy: Which image, why it is remembered, and how near.
        kept: It under each profile that keeps it, with the judgement that accepted it.
    """

    copy: Copy
    kept: tuple[tuple[KeptImage, tuple[DecodedCandidate, Judgement] | None], ...]


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A given image and its copies.

    Attributes:
        digest: SHA-256 of the bytes, 64 hex digits; empty for an image that was given as pixels.
        decoded: What decoding gave.
        copies: What is near, at most 100: kept and purged images, then marked ones by profile; the nearest first.
    """

    digest: str
    decoded: DecodedCandidate
    copies: tuple[KnownCopy, ...]


class DuplicateSearch:
    """Uses the crawls' own decoder and memory."""

    def __init__(self, inspector: Inspector, database: Database, seen: SeenImages) -> None:
        self._inspector = inspector
        self._database = database
        self._seen = seen

    async def find(self, image: bytes | Rgb) -> LookedUp:
        """Looks up an encoded image, or (h, w, 3) uint8 pixels, and its mirror image.

        Raises:
            ItemRejected: It cannot be read.
            Unavailable: What is served is not known yet.
        """
        digest, decoded = await self._inspector.decode_given(image)
        copies = self._seen.copies(digest, decoded)[:_MAX_COPIES]
        known = await self._database.run(partial(_known, digest=digest, copies=copies))
        return LookedUp(digest, decoded, tuple(known))


def _known(connection: Connection, digest: str, copies: list[Copy]) -> Iterable[KnownCopy]:
    everywhere = {copy.match.digest for copy in copies if copy.memory is not Memory.MARKED}
    known = [KnownCopy(copy, _kept(connection, copy.match.digest)) for copy in copies]
    # No index has a flat image; the catalogue does.
    kept = () if not digest or digest in everywhere else _kept(connection, digest)
    if kept:
        known.insert(0, KnownCopy(Copy(Memory.KEPT, "", Match(digest, 0, 0)), kept))
    return known


def _kept(
    connection: Connection, digest: str
) -> tuple[tuple[KeptImage, tuple[DecodedCandidate, Judgement] | None], ...]:
    with contextlib.suppress(NotFound):
        return tuple(
            (one, judgements.get_judgement(connection, one.digest, one.profile))
            for one in kept_images.get_kept(connection, digest)
        )
    return ()
