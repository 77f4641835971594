from __future__ import annotations

from dataclasses import replace

import pytest

from services.crawler.gates.gate import NeedsPixels, judge
from services.crawler.judgement import Evidence, Judgement, Verdict
from tests.crawler.subjects import detection, score, subject


class FakeGate:
    def __init__(self, name, cost, verdict, asked, **evidence):
        self.name, self.cost = name, cost
        self._verdict, self._asked, self._evidence = verdict, asked, evidence

    async def judge(self, subject):
        self._asked.append(self.name)
        evidence = replace(subject.evidence, **self._evidence)
        return Judgement(self._verdict, f"{self.name} says so", evidence)


def gates(asked, *, first=Verdict.ACCEPTED, second=Verdict.ACCEPTED):
    return [
        FakeGate("second", 20, second, asked, detection=detection()),
        FakeGate("first", 10, first, asked, score=score()),
    ]


async def test_cheapest_first_and_all_pass():
    """The gates are asked by cost, and what all of them pass is accepted with all evidence."""
    asked = []
    judgement = await judge(gates(asked), subject())
    assert asked == ["first", "second"]
    assert judgement.verdict is Verdict.ACCEPTED
    assert judgement.evidence == Evidence(None, score(), detection())
    assert judgement.reason == "first says so; second says so"


async def test_stops_at_the_first_verdict():
    """What a cheap gate does not pass costs the others nothing."""
    asked = []
    judgement = await judge(gates(asked, first=Verdict.OFF_PROFILE), subject())
    assert asked == ["first"]
    assert judgement.verdict is Verdict.OFF_PROFILE
    assert judgement.evidence.detection is None


async def test_all_gates_adds_evidence_and_keeps_the_first_verdict():
    """With all_gates every score is there, and the first verdict stands."""
    asked = []
    found = gates(asked, first=Verdict.OFF_PROFILE, second=Verdict.WATERMARKED)
    judgement = await judge(found, subject(), all_gates=True)
    assert asked == ["first", "second"]
    assert (judgement.verdict, judgement.reason) == (Verdict.OFF_PROFILE, "first says so")
    assert judgement.evidence.detection == detection()


def test_a_recorded_image_has_no_pixels():
    """Asking for them says which service wanted them."""
    with pytest.raises(NeedsPixels, match="embedder"):
        subject(inputs={}).pixels_for("embedder")


async def test_what_lacks_pixels_says_what_was_found_before():
    """The gates that need none have judged: their evidence and reasons are not lost."""

    class NeedyGate(FakeGate):
        async def judge(self, subject):
            subject.pixels_for("watermark")

    asked = []
    first, _ = reversed(gates(asked))
    needy = NeedyGate("needy", 20, None, asked)
    with pytest.raises(NeedsPixels) as caught:
        await judge([needy, first], subject(inputs={}))
    assert caught.value.service == "watermark"
    assert caught.value.so_far == Judgement(
        Verdict.ACCEPTED, "first says so", Evidence(score=score())
    )
