"""Judges given images and marks images as seen: what people ask for outside of crawls."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import Protocol

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue import images
from services.crawler.catalogue.database import Database
from services.crawler.gates.gate import NeedsPixels, Subject, judge
from services.crawler.judgement import Evidence, Judgement, ProfileVersion
from services.crawler.judging.inspector import Inspector
from services.crawler.models.model_services import ModelServices
from services.crawler.profile_facts import Explanation, LikedNeighbour
from services.crawler.screen import Screen
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.embedding import Embedding
from services.servicekit.errors import FailedPrecondition, Unavailable
from services.servicekit.image import Rgb

_PATIENCE_S = 45.0


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """How to judge.

    Attributes:
        profile: `landscapes` or `landscapes@3`.
        all_gates: Compute every gate's scores.
        screen: Also apply the screen and the duplicate gate.
        explain: Also name the liked images that are nearest.
    """

    profile: str
    all_gates: bool
    screen: bool
    explain: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """An image with its judgement; nothing of it is stored.

    Attributes:
        digest: SHA-256 of the bytes, 64 hex digits; empty for an image that was given as pixels.
        decoded: What decoding gave.
        profile: The version that judged.
        judgement: What the gates said.
        nearest: The liked images that are nearest to it, nearest first; empty unless they were asked for.
    """

    digest: str
    decoded: DecodedCandidate
    profile: ProfileVersion
    judgement: Judgement
    nearest: tuple[LikedNeighbour, ...] = ()


class Explain(Protocol):
    """Scores an embedding and names the liked images that are nearest to it."""

    async def __call__(self, profile: ProfileVersion, embedding: Embedding, /) -> Explanation:
        """Raises FailedPrecondition for a profile that was fitted before profiles kept their liked images."""


class Judging:
    """Uses the crawls' own decoder, gates and memory."""

    def __init__(
        self,
        inspector: Inspector,
        models: ModelServices,
        explain: Explain,
        screen: Screen,
        seen: SeenImages,
    ) -> None:
        self._explain = explain
        self._inspector = inspector
        self._models = models
        self._screen = screen
        self._seen = seen

    async def judge(self, image: bytes | Rgb, options: JudgeOptions) -> Judged:
        """Judges an encoded image, or (h, w, 3) uint8 pixels.

        Raises:
            ItemRejected: It cannot be read, or the screen rejects it.
            NotFound: There is no such profile.
            FailedPrecondition: The profile is of another encoder or precision, or too old to explain anything.
            Unavailable: A model service is away.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._judge(image, options)
        except TimeoutError as error:
            waiting = self._models.waiting_for or f"no answer in {_PATIENCE_S:g} s"
            dependency = "a model service"
            raise Unavailable(dependency, waiting) from error

    async def mark_seen(self, database: Database, profile_name: str, image: bytes | Rgb) -> None:
        """Lets an image count as seen before under a profile's name.

        Raises:
            ItemRejected: It cannot be read.
            Unavailable: What is served is not known yet.
        """
        digest, decoded = await self._inspector.decode_given(image)
        digest = digest or hashlib.sha256(bytes(image)).hexdigest()
        await database.run(lambda c: images.mark_seen(c, profile_name, digest, decoded.fingerprint))
        self._seen.mark(profile_name, digest, decoded.fingerprint)

    async def _judge(self, image: bytes | Rgb, options: JudgeOptions) -> Judged:
        profile = (await self._models.profile(options.profile)).profile
        digest, decoded = await self._inspector.decode_given(image)
        if options.screen:
            self._screen.check(decoded.width_px, decoded.height_px)
        gates = self._inspector.gates(profile, duplicates=options.screen)
        encoded = image if isinstance(image, bytes) else b""
        subject = Subject(digest, decoded, Evidence(), encoded)
        try:
            judgement = await judge(gates, subject, all_gates=options.all_gates)
        except NeedsPixels as need:
            message = f"the {need.service} takes encoded images, not pixels"
            raise FailedPrecondition(message) from need
        judged = Judged(digest, decoded, profile, judgement)
        return await self._explained(judged) if options.explain else judged

    async def _explained(self, judged: Judged) -> Judged:
        """Embeds and scores what a cheaper gate has rejected, too: the verdict stays that gate's."""
        judgement = judged.judgement
        embedding = judgement.evidence.embedding
        if embedding is None:
            embedding = await self._models.embed(judged.decoded.inputs["embedder"])
        await self._inspector.precision.require(judged.profile, embedding)
        explanation = await self._explain(judged.profile, embedding)
        evidence = replace(judgement.evidence, embedding=embedding, score=explanation.score)
        judgement = replace(judgement, evidence=evidence)
        return replace(judged, judgement=judgement, nearest=explanation.nearest)
