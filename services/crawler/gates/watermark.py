"""Passes what carries no watermark."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from services.crawler.gates.gate import Subject
from services.crawler.judgement import Detection, Judgement, Verdict
from services.servicekit.image import Rgb

Detect = Callable[[Rgb], Awaitable[Detection]]


class WatermarkGate:
    """Asks the watermark service, and waits for as long as it is away."""

    name = "watermark"
    cost = 20

    def __init__(self, detect: Detect) -> None:
        self._detect = detect

    async def judge(self, subject: Subject) -> Judgement:
        """WATERMARKED over the detector's threshold; exactly the threshold passes."""
        detection = subject.evidence.detection
        if detection is None:
            detection = await self._detect(subject.pixels_for("watermark"))
        evidence = replace(subject.evidence, detection=detection)
        # What is no number is not at or under the threshold: it must not pass.
        passes = detection.probability <= detection.threshold
        reason = (
            f"watermark probability {detection.probability:.3f} is "
            f"{'at or under' if passes else 'over'} the threshold {detection.threshold:.3f}"
        )
        return Judgement(Verdict.ACCEPTED if passes else Verdict.WATERMARKED, reason, evidence)
