from __future__ import annotations

import pytest

from services.crawler.gates.novelty import NoveltyGate
from services.crawler.judgement import Evidence, ProfileVersion, Verdict
from tests.crawler.subjects import PIXELS, embedding, score, subject

PROFILE = ProfileVersion("landscapes", 3)


def gate(log_likelihood, threshold=0.0, embedded=None):
    async def embed(rgb):
        if embedded is not None:
            embedded.append(rgb)
        return embedding()

    async def score_embedding(profile, _embedding):
        assert profile == PROFILE
        return score(log_likelihood, threshold)

    return NoveltyGate(embed, score_embedding, PROFILE)


@pytest.mark.parametrize(
    ("log_likelihood", "verdict"),
    [(5.0, Verdict.ACCEPTED), (4.999, Verdict.OFF_PROFILE), (5.001, Verdict.ACCEPTED)],
)
async def test_exactly_the_threshold_passes(log_likelihood, verdict):
    """At or over the threshold fits."""
    judgement = await gate(log_likelihood, 5.0).judge(subject())
    assert judgement.verdict is verdict
    assert judgement.evidence.score == score(log_likelihood, 5.0)
    assert "landscapes@3" in judgement.reason


async def test_embeds_only_what_is_not_embedded():
    """A recorded embedding is scored without pixels."""
    embedded = []
    await gate(1.0, embedded=embedded).judge(subject())
    assert embedded == [PIXELS["embedder"]]
    recorded = subject(inputs={}, evidence=Evidence(embedding=embedding(7)))
    judgement = await gate(1.0, embedded=embedded).judge(recorded)
    assert len(embedded) == 1
    assert judgement.evidence.embedding is recorded.evidence.embedding
