from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.watermark.detector import Detector
from services.watermark.evaluate.judging import ImageNotJudged, judge, judge_one
from tests.watermark.detectors import BrightnessBackend, fake_folder
from tests.watermark.evaluate.judged import clean, marked


class FailingBackend(BrightnessBackend):
    """Fails for a batch with a white image in it, as a network whose memory is short may."""

    def run(self, batch):
        if (batch == 255).all(axis=(1, 2, 3)).any():
            raise ValueError("a tensor\nis too large")
        return super().run(batch)


def detector_with(backend):
    return Detector(fake_folder(), backend, threshold=None)


def images_of(levels, facts):
    return [
        (replace(facts, name=f"{place}.jpg"), np.full((30, 40, 3), level, np.uint8))
        for place, level in enumerate(levels)
    ]


@pytest.mark.parametrize(
    ("backend", "cause"),
    [
        (BrightnessBackend(white=np.nan), "detector 'fake' gives no verdict: its outputs are not"),
        (FailingBackend(), "a tensor is too large$"),
    ],
)
def test_the_image_that_a_detector_fails_for_is_named(backend, cause):
    """On one line, wherever it is in a batch; those of the batches before are judged."""
    levels = [10] * 12
    levels[10] = 255
    judged = judge(images_of(levels, clean(0).facts), detector_with(backend))

    assert [next(judged)[0].name for _ in range(8)] == [f"{place}.jpg" for place in range(8)]
    with pytest.raises(ImageNotJudged, match=f"^10.jpg: the detector cannot judge it: {cause}"):
        next(judged)


def test_a_mark_that_was_drawn_is_named_too():
    """The photo's name alone says little of it."""
    detector = detector_with(FailingBackend())
    words = r"^0.jpg \(second: corner\): the detector cannot"
    with pytest.raises(ImageNotJudged, match=words):
        list(judge(images_of([255], marked(0, generator="second", kind="corner").facts), detector))


def test_what_fails_in_a_batch_alone_is_judged_one_by_one():
    """The network takes one image at a time, say."""

    class OneByOne(BrightnessBackend):
        def run(self, batch):
            if len(batch) > 2:
                raise ValueError("too many")
            return super().run(batch)

    judged = list(judge(images_of([51, 102, 51], clean(0).facts), detector_with(OneByOne())))

    assert [one[2].probability for one in judged] == pytest.approx([0.2, 0.4, 0.2])


def test_one_image_is_judged():
    """Of any size."""
    detection = judge_one(
        "a.jpg", np.full((9, 300, 3), 102, np.uint8), detector_with(BrightnessBackend())
    )

    assert detection.probability == pytest.approx(0.4)
