"""Judges known images from what is recorded of them: embeddings, detections and perceptual hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from services.crawler.catalogue.known_candidates import KnownCandidate
from services.crawler.gates.gate import Gate, NeedsPixels, Subject, judge
from services.crawler.judgement import Evidence, ProfileVersion, Score
from services.crawler.judging.inspector import Inspector
from services.crawler.models.model_services import ModelServices
from services.crawler.rejudging.rejudgement import Reconsidered
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.embedding import Embedding
from services.servicekit.errors import Unavailable

_PATIENCE_S = 45.0


class KnownJudging:
    """The crawls' own gates over recorded evidence, with scores that come many at a time."""

    def __init__(
        self, inspector: Inspector, models: ModelServices, profile: ProfileVersion
    ) -> None:
        self._inspector = inspector
        self._models = models
        self._profile = profile
        self._planned = SeenImages()

    def plan(self, known: KnownCandidate) -> None:
        """Lets an image count as kept for those judged after it, where nothing is really kept."""
        self._planned.add_kept(known.digest, known.decoded.fingerprint)

    async def score(self, page: Sequence[KnownCandidate]) -> dict[str, Score]:
        """Scores what has an embedding and is not judged yet; by digest. What the service rejects is left out.

        Raises:
            FailedPrecondition: The profile does not fit, or is damaged.
            InvalidInput: It is gone.
            Unavailable: The novelty service is away.
        """
        digests, found = [], []
        for known in page:
            if known.judged is None and known.evidence.embedding is not None:
                digests.append(known.digest)
                found.append(known.evidence.embedding)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                scores = await self._models.score_many(self._profile, found)
        except TimeoutError as error:
            dependency = "the novelty service"
            waiting = self._models.waiting_for or f"no answer in {_PATIENCE_S:g} s"
            raise Unavailable(dependency, waiting) from error
        pairs = zip(digests, scores, strict=True)
        return {digest: score for digest, score in pairs if isinstance(score, Score)}

    async def judge(
        self, known: KnownCandidate, scores: Mapping[str, Score]
    ) -> Reconsidered | None:
        """Asks the gates in their order, for as long as they need no pixels; None if it cannot be judged."""
        score = scores.get(known.digest)
        evidence = known.evidence
        if score is None:
            evidence = Evidence(detection=evidence.detection)
        subject = Subject(known.digest, known.decoded, self._inspector.with_threshold(evidence))
        try:
            return Reconsidered(known, await judge(self._gates(known, score), subject))
        except NeedsPixels as need:
            so_far = need.so_far
        if score is None or so_far is None:
            return None
        return Reconsidered(known, so_far, is_whole=False)

    def _gates(self, known: KnownCandidate, score: Score | None) -> list[Gate]:
        async def recorded(_profile: ProfileVersion, _embedding: Embedding) -> Score:
            assert score is not None, "without a score there is no embedding"
            return score

        # What is kept was no duplicate then, and is not one of itself now that somebody likes it.
        gates = self._inspector.gates(self._profile, duplicates=not known.kept, score=recorded)
        if not known.kept:
            gates.append(self._inspector.duplicate_gate(self._planned, self._profile.name))
        return gates
