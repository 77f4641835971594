"""Passes what fits the profile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from services.crawler.gates.gate import Subject
from services.crawler.judgement import Judgement, ProfileVersion, Score, Verdict
from services.servicekit.embedding import Embedding
from services.servicekit.image import Rgb

Embed = Callable[[Rgb], Awaitable[Embedding]]
ScoreEmbedding = Callable[[ProfileVersion, Embedding], Awaitable[Score]]


class NoveltyGate:
    """Embeds the image and scores the embedding; each waits for as long as its service is away."""

    name = "novelty"
    cost = 10

    def __init__(self, embed: Embed, score: ScoreEmbedding, profile: ProfileVersion) -> None:
        self._embed = embed
        self._score = score
        self._profile = profile

    async def judge(self, subject: Subject) -> Judgement:
        """OFF_PROFILE under the profile's threshold; exactly the threshold passes."""
        embedding = subject.evidence.embedding
        if embedding is None:
            embedding = await self._embed(subject.pixels_for("embedder"))
        score = await self._score(self._profile, embedding)
        evidence = replace(subject.evidence, embedding=embedding, score=score)
        fits = score.log_likelihood >= score.threshold_nats
        reason = (
            f"log-likelihood {score.log_likelihood:.1f} nats is {'at or over' if fits else 'under'} "
            f"the threshold {score.threshold_nats:.1f} of {self._profile} "
            f"(percentile {score.percentile:.0f})"
        )
        return Judgement(Verdict.ACCEPTED if fits else Verdict.OFF_PROFILE, reason, evidence)
