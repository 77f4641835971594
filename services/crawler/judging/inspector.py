"""Decodes images for the model services and knows the gates that judge them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from services.crawler.candidate import DecodedCandidate
from services.crawler.decoding.decoder import Decoder
from services.crawler.gates.better_copy import BetterCopyGate
from services.crawler.gates.duplicate import DuplicateGate, ReadNear
from services.crawler.gates.gallery import GalleryGate, Search
from services.crawler.gates.gate import Gate
from services.crawler.gates.novelty import NoveltyGate, ScoreEmbedding
from services.crawler.gates.watermark import WatermarkGate
from services.crawler.judgement import Detection, Evidence, ProfileVersion, Score
from services.crawler.judging.precision_check import OtherPrecision, PrecisionCheck
from services.crawler.models.model_services import DetectorFacts, EncoderFacts, ModelServices
from services.crawler.seen.better_copy import as_found
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.embedding import Embedding
from services.servicekit.image import Rgb
from services.servicekit.resize import InputShape

MakeDecoder = Callable[[Mapping[str, InputShape]], Decoder]


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The encoder and the detector that are served now."""

    encoder: EncoderFacts
    detector: DetectorFacts

    @property
    def shapes(self) -> dict[str, InputShape]:
        """The inputs that a candidate needs, by the word of the service that takes them."""
        return {"embedder": self.encoder.input_shape, "watermark": self.detector.input_shape}


@dataclass(frozen=True, slots=True)
class GateTerms:
    """What gates go by besides the model services.

    Attributes:
        search: Looks into a gallery; None without one.
        read_near: What the catalogue knows of the images that a candidate is near.
        keep_better: Whether a better copy of a kept image takes its place.
    """

    search: Search | None = None
    read_near: ReadNear = as_found
    keep_better: bool = False


class Inspector:
    """What looks at images: one decoder for all crawls and calls, made for the models that are served.

    Attributes:
        precision: Says which embeddings a profile takes.
    """

    def __init__(
        self,
        models: ModelServices,
        precision: PrecisionCheck,
        seen: SeenImages,
        make_decoder: MakeDecoder,
        terms: GateTerms = GateTerms(),
    ) -> None:
        self.precision = precision
        self._models = models
        self._seen = seen
        self._make_decoder = make_decoder
        self._terms = terms
        self._served: ServedModels | None = None
        self._decoder: Decoder | None = None
        self._stack = AsyncExitStack()
        self._changing = asyncio.Lock()

    async def refresh(self) -> ServedModels:
        """Asks what is served and makes the decoder fit it.

        Raises:
            Unavailable: The embedder or the watermark service is away, or no decoder starts.
        """
        served = ServedModels(await self._models.encoder(), await self._models.detector())
        async with self._changing:
            if self._served is None or served.shapes != self._served.shapes:
                # The old decoder may still be at work: it is closed at the end.
                decoder = self._make_decoder(served.shapes)
                self._decoder = await self._stack.enter_async_context(decoder)
            self._served = served
        return served

    async def decode(self, encoded: bytes) -> DecodedCandidate:
        """Decodes an encoded image within bounds.

        Raises:
            ItemRejected: It cannot be read.
            Unavailable: What is served is not known yet.
        """
        return await (await self._ready()).decode(encoded)

    async def decode_pixels(self, rgb: Rgb) -> DecodedCandidate:
        """The same for (h, w, 3) uint8 pixels."""
        return await (await self._ready()).decode_pixels(rgb)

    async def decode_given(self, image: bytes | Rgb) -> tuple[str, DecodedCandidate]:
        """Decodes an encoded image, or pixels, with its digest: SHA-256 of the bytes; empty for pixels.

        Raises:
            ItemRejected: It cannot be read.
            Unavailable: What is served is not known yet.
        """
        if isinstance(image, bytes):
            return hashlib.sha256(image).hexdigest(), await self.decode(image)
        return "", await self.decode_pixels(image)

    def gates(
        self, profile: ProfileVersion, *, duplicates: bool, score: ScoreEmbedding | None = None
    ) -> list[Gate]:
        """The gates that judge for a profile version. A gate is added by one file and one line here.

        Args:
            profile: The version.
            duplicates: Whether images that were kept or seen before do not pass.
            score: Gives scores that were computed before; None asks the novelty service for each.
        """
        gates: list[Gate] = [
            NoveltyGate(self._models.embed, score or self._score, profile),
            WatermarkGate(self._detect),
        ]
        if duplicates:
            gates += self._duplicate_gates(profile.name)
        if duplicates and self._terms.search is not None:
            gates.append(GalleryGate(self._terms.search))
        return gates

    def with_threshold(self, evidence: Evidence) -> Evidence:
        """Gives a recorded detection the threshold of the detector that is served now."""
        if evidence.detection is None or self._served is None:
            return evidence
        threshold = self._served.detector.threshold
        return replace(evidence, detection=replace(evidence.detection, threshold=threshold))

    async def comparable(self, profile: ProfileVersion, evidence: Evidence) -> Evidence:
        """Leaves out a recorded embedding of a precision that the profile does not take: another one is served now.

        Raises:
            FailedPrecondition: The profile does not take what is served either.
            Unavailable: The novelty service or the embedder is away.
        """
        embedding = evidence.embedding
        if embedding is None:
            return evidence
        try:
            await self.precision.require(profile, embedding)
        except OtherPrecision:
            if self._served is None or embedding.precision is self._served.encoder.precision:
                raise
            return replace(evidence, embedding=None)
        return evidence

    async def close(self) -> None:
        """Ends the decoders."""
        await self._stack.aclose()

    def duplicate_gate(self, seen: SeenImages, profile_name: str) -> DuplicateGate:
        """A gate for what is to count as seen besides; nothing of it is replaced."""
        return DuplicateGate(seen, self._terms.read_near, profile_name=profile_name)

    def _duplicate_gates(self, name: str) -> list[Gate]:
        measure = self._detail_ratio if self._terms.keep_better else None
        read_near = self._terms.read_near
        return [
            DuplicateGate(self._seen, read_near, profile_name=name, detail_ratio=measure),
            BetterCopyGate(self._seen, read_near, profile_name=name),
        ]

    async def _detail_ratio(self, encoded: bytes, beyond_px: int) -> float:
        return await (await self._ready()).detail_ratio(encoded, beyond_px)

    async def _score(self, profile: ProfileVersion, embedding: Embedding) -> Score:
        await self.precision.require(profile, embedding)
        return await self._models.score(profile, embedding)

    async def _detect(self, rgb: Rgb) -> Detection:
        assert self._served is not None, "decoded pixels come from a ready inspector"
        return await self._models.detect(rgb, self._served.detector.detector_id)

    async def _ready(self) -> Decoder:
        if self._decoder is None:
            await self.refresh()
        assert self._decoder is not None, "a refreshed inspector has a decoder"
        return self._decoder
