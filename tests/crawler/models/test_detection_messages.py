from __future__ import annotations

import math

import pytest

from lodestone.image.v1 import rejection_pb2
from lodestone.watermark.v1 import watermark_service_pb2 as pb
from services.crawler.judgement import Detection
from services.crawler.models.detection_messages import NoDetection, detection_from_message
from services.servicekit.errors import FailedPrecondition, ItemRejected
from tests.crawler.subjects import DETECTOR_ID

VALUE = {"probability": 0.25, "quadrant_probabilities": (0.25, 0, 0, 1), "threshold": 0.5}


def result(**changes) -> pb.DetectResult:
    return pb.DetectResult(value=pb.Detection(**{**VALUE, **changes}))


def test_a_detection_is_read():
    """With the detector that it is of."""
    found = detection_from_message(result(), DETECTOR_ID)

    assert found == Detection(0.25, (0.25, 0.0, 0.0, 1.0), 0.5, DETECTOR_ID)


@pytest.mark.parametrize(
    "changes",
    [
        {"probability": math.nan},
        {"probability": -0.5},
        {"probability": 1.5},
        {"quadrant_probabilities": (0, 0, math.nan, 0)},
        {"threshold": math.nan},
    ],
)
def test_what_is_no_probability_is_no_detection(changes):
    """The state of the service is wrong, not the image: the crawl stops at it instead of letting the image pass."""
    with pytest.raises(NoDetection, match=r"is not in \[0, 1\]") as caught:
        detection_from_message(result(**changes), DETECTOR_ID)

    assert isinstance(caught.value, FailedPrecondition)
    assert caught.value.detector_id == DETECTOR_ID


def test_an_empty_answer_is_no_detection():
    """Read as a probability of 0 it would pass."""
    with pytest.raises(NoDetection, match="empty"):
        detection_from_message(pb.DetectResult(), DETECTOR_ID)


def test_a_rejection_is_raised():
    """With its reason."""
    rejection = rejection_pb2.Rejection(
        code=rejection_pb2.REJECTION_CODE_BAD_PIXELS, reason="too few"
    )
    with pytest.raises(ItemRejected, match="too few"):
        detection_from_message(pb.DetectResult(rejection=rejection), DETECTOR_ID)
