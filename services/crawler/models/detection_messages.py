"""From what the watermark service answers (lodestone.watermark.v1) to what the crawler knows of a detection."""

from __future__ import annotations

from lodestone.watermark.v1 import watermark_service_pb2
from services.crawler.judgement import Detection
from services.servicekit.errors import FailedPrecondition
from services.servicekit.messages import rejection_from_message


class NoDetection(FailedPrecondition):
    """The watermark service says neither how likely an image carries a watermark, nor why it rejects it.

    Attributes:
        detector_id: What detects there.
        problem: What it says instead.
    """

    def __init__(self, detector_id: str, problem: str) -> None:
        super().__init__(f"detector {detector_id[:12]} gives no verdict: {problem}")
        self.detector_id = detector_id
        self.problem = problem


def detection_from_message(
    result: watermark_service_pb2.DetectResult, detector_id: str
) -> Detection:
    """Reads a detection.

    Raises:
        ItemRejected: The watermark service rejects the image.
        NoDetection: There is none, or a number of it is NaN or outside [0, 1]: that must not pass for a low one.
    """
    if result.HasField("rejection"):
        raise rejection_from_message(result.rejection)
    if not result.HasField("value"):
        raise NoDetection(detector_id, "its answer is empty")
    value = result.value
    quadrants = tuple(value.quadrant_probabilities)
    for number in (value.probability, value.threshold, *quadrants):
        if not 0 <= number <= 1:
            raise NoDetection(detector_id, f"{number:g} is not in [0, 1]")
    return Detection(value.probability, quadrants, value.threshold, detector_id)
