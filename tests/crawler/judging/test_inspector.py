from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from services.crawler.gates.gate import Subject
from services.crawler.judgement import Evidence, Verdict
from services.crawler.judging.inspector import Inspector
from services.crawler.judging.precision_check import OtherPrecision, PrecisionCheck
from services.crawler.models.model_services import DetectorFacts, EncoderFacts
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.embedding import Precision
from services.servicekit.resize import InputShape
from tests.crawler.precision_services import PROFILE, PrecisionServices, made
from tests.crawler.subjects import DETECTOR_ID, ENCODER_ID, decoded_candidate, detection, score

SHAPE = InputShape(4, 4)


class Models(PrecisionServices):
    """Model services that embed in the served precision and like everything."""

    def __init__(self, **choice):
        super().__init__(**choice)
        self.scored = []

    async def encoder(self):
        return EncoderFacts(ENCODER_ID, self.served, SHAPE)

    async def detector(self):
        return DetectorFacts(DETECTOR_ID, 0.5, SHAPE)

    async def embed(self, rgb):
        return made(self.served)

    async def score(self, profile, embedding):
        self.scored.append(embedding.precision)
        return score()


@asynccontextmanager
async def no_decoder():
    yield None


async def inspector_of(models):
    precision = PrecisionCheck(models, models)
    inspector = Inspector(models, precision, SeenImages(), lambda shapes: no_decoder())
    await inspector.refresh()
    return inspector


async def test_the_novelty_gate_asks_before_it_scores():
    """An embedding of another precision reaches the novelty service only when no verdict moves."""
    for moved, scored in ((0, [Precision.BF16]), (1, [])):
        models = Models(moved=moved)
        [novelty, _] = (await inspector_of(models)).gates(PROFILE, duplicates=False)
        subject = Subject("a" * 64, decoded_candidate(1), Evidence())
        if moved:
            with pytest.raises(OtherPrecision):
                await novelty.judge(subject)
        else:
            assert (await novelty.judge(subject)).verdict is Verdict.ACCEPTED
        assert models.scored == scored


async def test_recorded_embeddings_that_the_profile_takes_are_reused():
    """Of its own precision whatever is served, and of an admitted one."""
    inspector = await inspector_of(Models())
    for precision in (Precision.FP32, Precision.BF16):
        evidence = Evidence(embedding=made(precision), detection=detection())
        assert await inspector.comparable(PROFILE, evidence) is evidence
    assert await inspector.comparable(PROFILE, Evidence()) == Evidence()


async def test_recorded_embeddings_of_a_third_precision_are_left_out():
    """Nobody can tell whether the profile takes them: what is served now is asked for another. Detections stay."""
    inspector = await inspector_of(Models())
    evidence = Evidence(embedding=made(Precision.FP16), detection=detection())
    found = await inspector.comparable(PROFILE, evidence)
    assert found == Evidence(detection=detection())


async def test_recorded_embeddings_of_what_is_served_and_refused():
    """Another one would be no better: the refusal is the crawl's, and nothing is fetched for it."""
    inspector = await inspector_of(Models(moved=2))
    with pytest.raises(OtherPrecision):
        await inspector.comparable(PROFILE, Evidence(embedding=made(Precision.BF16)))
