from __future__ import annotations

import math

import pytest

from services.crawler.gates.watermark import WatermarkGate
from services.crawler.judgement import Evidence, Verdict
from tests.crawler.subjects import PIXELS, detection, subject


async def _unused(_rgb):
    raise AssertionError


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [(0.5, Verdict.ACCEPTED), (0.5001, Verdict.WATERMARKED), (0.1, Verdict.ACCEPTED)],
)
async def test_exactly_the_threshold_passes(probability, verdict):
    """Over the detector's threshold is watermarked."""

    async def detect(rgb):
        assert rgb is PIXELS["watermark"]
        return detection(probability, 0.5)

    judgement = await WatermarkGate(detect).judge(subject())
    assert judgement.verdict is verdict
    assert judgement.evidence.detection.probability == probability


@pytest.mark.parametrize(("probability", "threshold"), [(math.nan, 0.5), (0.1, math.nan)])
async def test_what_is_no_number_never_passes(probability, threshold):
    """The gate fails closed."""
    recorded = subject(inputs={}, evidence=Evidence(detection=detection(probability, threshold)))

    judgement = await WatermarkGate(_unused).judge(recorded)

    assert judgement.verdict is Verdict.WATERMARKED


async def test_a_recorded_detection_is_not_asked_again():
    """What was detected before is judged without pixels."""
    recorded = subject(inputs={}, evidence=Evidence(detection=detection(0.9)))
    assert (await WatermarkGate(_unused).judge(recorded)).verdict is Verdict.WATERMARKED
