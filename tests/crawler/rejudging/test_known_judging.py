from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from services.crawler.catalogue.known_candidates import KnownCandidate
from services.crawler.judgement import Evidence, ProfileVersion, Verdict
from services.crawler.judging.inspector import Inspector
from services.crawler.rejudging import known_judging
from services.crawler.rejudging.known_judging import KnownJudging
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.errors import ItemRejected, Unavailable
from services.servicekit.rejection import RejectionCode
from tests.crawler.subjects import decoded_candidate, detection, embedding, score

PROFILE = ProfileVersion("landscapes", 2)


class FakeModels:
    """Scores everything alike, or rejects it, or does not answer."""

    waiting_for = "waiting for the novelty service: it is away"

    def __init__(self, answer=None):
        self._answer = answer

    async def score_many(self, _profile, embeddings):
        if self._answer is None:
            await asyncio.Event().wait()
        return [self._answer for _ in embeddings]

    async def embed(self, rgb):
        raise AssertionError(rgb)

    async def score(self, profile, found):
        raise AssertionError(profile, found)


def judging(answer=None):
    models = FakeModels(answer)
    inspector = Inspector(models, None, SeenImages(), lambda _: contextlib.nullcontext())
    return KnownJudging(inspector, models, PROFILE)


def known(number, **changes):
    evidence = Evidence(embedding(number), None, detection())
    decoded = decoded_candidate(number, inputs={})
    image = KnownCandidate(
        number,
        f"{number:064x}",
        9,
        decoded,
        evidence,
        None,
        None,
        kept=False,
        leased=None,
        is_listed=False,
    )
    return replace(image, **changes)


async def test_only_what_can_be_scored_is_asked_for():
    """What is judged already and what has no embedding is left out."""
    page = [known(1), known(2, judged="before"), known(3, evidence=Evidence())]
    assert await judging(score(3.0)).score(page) == {page[0].digest: score(3.0)}


async def test_an_embedding_that_is_rejected_is_like_none():
    """It cannot be judged; the others can."""
    one = judging(ItemRejected(RejectionCode.CORRUPT, "its norm is not 1"))
    image = known(1)
    scores = await one.score([image])
    assert scores == {}
    assert await one.judge(image, scores) is None


async def test_the_gates_say_what_they_say_in_a_crawl():
    """The sentence has the score of today; the recorded detection is used."""
    one, image = judging(score(3.0)), known(1)
    found = await one.judge(image, await one.score([image]))
    assert found.is_whole
    assert found.after.verdict is Verdict.ACCEPTED
    assert "3.0 nats is at or over the threshold 0.0 of landscapes@2" in found.after.reason
    assert found.after.evidence.detection == detection()


async def test_what_is_planned_counts_as_kept():
    """A near copy is a duplicate of it, with the sentence of a crawl."""
    one, image = judging(score(3.0)), known(1)
    copy = known(2, decoded=replace(decoded_candidate(1), inputs={}))
    one.plan(image)
    found = await one.judge(copy, await one.score([copy]))
    assert found.after.verdict is Verdict.DUPLICATE
    assert found.after.duplicate_of == image.digest
    assert found.after.evidence.score is None


async def test_a_service_that_stays_away_ends_it(monkeypatch):
    """It is waited for, but not for ever; the error says for whom."""
    monkeypatch.setattr(known_judging, "_PATIENCE_S", 0.05)
    with pytest.raises(Unavailable, match="it is away"):
        await judging().score([known(1)])
