"""Images are judged, a few at a time, and one that cannot be is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np

from services.servicekit.errors import LodestoneError
from services.servicekit.image import Rgb
from services.servicekit.resize import to_input
from services.watermark.detector import Detection, Detector
from services.watermark.evaluate.judged_image import ImageFacts

Judged = tuple[ImageFacts, Rgb, Detection]
"""What is known of an image, its (h, w, 3) uint8 pixels, and what the detector says of it."""

_BATCH: Final = 8
_CAUSE_MAX: Final = 300


class ImageNotJudged(LodestoneError):
    """A detector has failed, or given no probabilities, for one image.

    Attributes:
        name: What a person finds the image by.
        cause: What the detector said.
    """

    def __init__(self, name: str, cause: Exception) -> None:
        words = " ".join(str(cause).split())[:_CAUSE_MAX] or type(cause).__name__
        super().__init__(f"{name}: the detector cannot judge it: {words}")
        self.name = name
        self.cause = cause


def judge(images: Iterable[tuple[ImageFacts, Rgb]], detector: Detector) -> Iterator[Judged]:
    """Judges images, in their order.

    Raises:
        ImageNotJudged: The detector fails, or gives no probabilities, for one of them.
    """
    waiting = iter(images)
    while batch := list(islice(waiting, _BATCH)):
        for (facts, rgb), detection in zip(batch, _detect(batch, detector), strict=True):
            yield facts, rgb, detection


def judge_one(name: str, rgb: Rgb, detector: Detector) -> Detection:
    """Judges one (h, w, 3) uint8 image.

    Raises:
        ImageNotJudged: The detector fails, or gives no probabilities.
    """
    try:
        return detector.detect(to_input(rgb, detector.facts.input_shape)[None])[0]
    except Exception as error:  # a network that fails has errors of its backend's own
        raise ImageNotJudged(name, error) from error


def _detect(batch: Sequence[tuple[ImageFacts, Rgb]], detector: Detector) -> Sequence[Detection]:
    inputs = np.stack([to_input(rgb, detector.facts.input_shape) for _, rgb in batch])
    try:
        return detector.detect(inputs)
    except Exception:  # noqa: BLE001 - one by one, to find the image that it fails for
        return [judge_one(_called(facts), rgb, detector) for facts, rgb in batch]


def _called(facts: ImageFacts) -> str:
    """An image that was drawn on has the name of its photo alone."""
    made = f" ({facts.generator}: {facts.kind})" if facts.generator else ""
    return f"{facts.name}{made}"
