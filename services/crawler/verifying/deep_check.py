"""Images decoded and embedded once more, and compared with what was recorded of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from sqlalchemy import Connection, func, select

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.catalogue.embeddings import get_embeddings
from services.crawler.catalogue.schema import candidates, images
from services.crawler.verifying.catalogue_reading import Catalogue
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.stored_files import StoredFiles, blob_path
from services.crawler.verifying.stored_image import StoredImage, read_page
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import ItemRejected, Unavailable
from services.servicekit.image import DecodeLimits, Rgb

MIN_COSINE = 0.999
_PAGE = 100
_PATIENCE_S = 60.0


class Decode(Protocol):
    """What decodes; the inputs are those of the embedder, if it is asked."""

    async def decode(self, encoded: bytes) -> DecodedCandidate:
        """Decodes an encoded image, or raises ItemRejected."""
        ...


@dataclass(frozen=True, slots=True)
class Embedder:
    """What embeds, and which embeddings it gives.

    Attributes:
        encoder_id: Their encoder.
        precision: Their precision.
        embed: Embeds pixels of the encoder's input size.
    """

    encoder_id: str
    precision: Precision
    embed: Callable[[Rgb], Awaitable[Embedding]]


@dataclass
class DeepCheck:
    """Decodes every image of the store, and embeds it where an embedder is at hand.

    Attributes:
        catalogue: What was recorded.
        files: Where the bytes are.
        decoder: What decodes.
        embedder: What embeds; None if nothing does.
        decoded_count: Images that were decoded.
        embedded_count: Images that were embedded, and compared.
        other_count: Images whose embedding is of another encoder or precision, or none.
        away: Why the embedder was not asked to the end; empty if it was.
    """

    catalogue: Catalogue
    files: StoredFiles
    decoder: Decode
    embedder: Embedder | None
    decoded_count: int = 0
    embedded_count: int = 0
    other_count: int = 0
    away: str = ""
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))

    async def check(self) -> AsyncIterator[list[Problem]]:
        """Goes through all images; yields the problems of some hundred at a time.

        Files that are gone, or hold other bytes than they should, are left out: they are told of without decoding.
        """
        after = 0
        while True:
            with self.catalogue.read() as connection:
                page = read_page(connection, after=after, limit=_PAGE)
                recorded = get_embeddings(connection, [image.digest for image in page])
            if not page:
                return
            checks = (self._check(image, recorded.get(image.digest)) for image in page)
            yield [problem for some in await asyncio.gather(*checks) for problem in some]
            after = page[-1].sequence

    async def _check(self, image: StoredImage, recorded: Embedding | None) -> list[Problem]:
        async with self._room:
            encoded = await asyncio.to_thread(self._read, image)
            if encoded is None:
                return []
            try:
                decoded = await self.decoder.decode(encoded)
                expected = image.decoded()
            except ItemRejected as rejection:
                message = f"it cannot be decoded: {rejection.reason}"
                return [self._problem(ProblemKind.IMAGE_UNDECODABLE, image, message)]
            except ValueError:
                message = "a perceptual hash in its row cannot be read"
                return [self._problem(ProblemKind.ROW_BROKEN, image, message)]
            self.decoded_count += 1
            problems = []
            if differing := _differing(expected, decoded):
                message = f"decoding gives other facts than were recorded: {', '.join(differing)}"
                problems.append(self._problem(ProblemKind.FACTS_DIFFER, image, message))
            return problems + await self._check_embedding(image, recorded, decoded.inputs)

    async def _check_embedding(
        self, image: StoredImage, recorded: Embedding | None, inputs: Mapping[str, Rgb]
    ) -> list[Problem]:
        embedder = self.embedder
        if embedder is None:
            return []
        if recorded is None or (recorded.encoder_id, recorded.precision) != (
            embedder.encoder_id,
            embedder.precision,
        ):
            self.other_count += 1
            return []
        try:
            async with asyncio.timeout(_PATIENCE_S):
                given = await embedder.embed(inputs["embedder"])
        except ItemRejected as rejection:
            message = f"the embedder rejects it: {rejection.reason}"
            return [self._problem(ProblemKind.EMBEDDING_DIFFERS, image, message)]
        except (TimeoutError, Unavailable) as error:
            self.embedder, self.away = None, str(error) or f"no answer in {_PATIENCE_S:g} s"
            return []
        self.embedded_count += 1
        similarity = cosine(recorded, given)
        # Written so that NaN is not similar.
        if similarity >= MIN_COSINE:
            return []
        message = f"its embedding has a cosine of {similarity:.4f} to the one that was recorded"
        return [self._problem(ProblemKind.EMBEDDING_DIFFERS, image, message)]

    def _read(self, image: StoredImage) -> bytes | None:
        try:
            most = max(1, image.row.size_bytes)
            encoded = self.files.read(blob_path(image.digest), max_bytes=most)
        except OSError:
            return None
        return encoded if hashlib.sha256(encoded).hexdigest() == image.digest else None

    def _problem(self, kind: ProblemKind, image: StoredImage, message: str) -> Problem:
        return Problem(kind, message, blob_path(image.digest), image.digest, image.final_url)


def limits_for(connection: Connection) -> DecodeLimits:
    """Limits that let every image of the store through: other ones may have held when it was kept."""
    query = select(
        func.max(candidates.c.size_bytes), func.max(candidates.c.width_px * candidates.c.height_px)
    ).join(images, images.c.digest == candidates.c.digest)
    most_bytes, most_pixels = connection.execute(query).one()
    return DecodeLimits(most_bytes or 1, most_pixels or 1)


def cosine(one: Embedding, other: Embedding) -> float:
    """Their cosine similarity; NaN for what is no embedding."""
    if one.values.shape != other.values.shape:
        return float("nan")
    first, second = (found.values.astype(np.float64) for found in (one, other))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else float("nan")


def _differing(expected: DecodedCandidate, found: DecodedCandidate) -> list[str]:
    names = ("width_px", "height_px", "format", "animated")
    differing = [name for name in names if getattr(expected, name) != getattr(found, name)]
    differing += _differing_bits("perceptual hash", expected.fingerprint, found.fingerprint)
    return differing + _differing_bits("mirrored", expected.mirrored, found.mirrored)


def _differing_bits(what: str, expected: Fingerprint, found: Fingerprint) -> list[str]:
    if expected == found:
        return []
    bits64 = (expected.hash64 ^ found.hash64).bit_count()
    bits256 = (int.from_bytes(expected.hash256) ^ int.from_bytes(found.hash256)).bit_count()
    flat = "" if expected.flat == found.flat else ", and flat or not"
    return [f"{what} ({bits64} of 64 and {bits256} of 256 bits{flat})"]
