"""One evaluation: images are judged, and what came of it is put together."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image as PillowImage

from services.servicekit.image import Rgb
from services.watermark.detector import Detector
from services.watermark.evaluate.curves import Curves, curves_of
from services.watermark.evaluate.goals import Goal, goals_of
from services.watermark.evaluate.groups import Flagged, Group, flagged_by, groups_of
from services.watermark.evaluate.judged_image import ImageFacts, JudgedImage, Truth
from services.watermark.evaluate.judging import judge
from services.watermark.evaluate.photo_files import smaller
from services.watermark.evaluate.reliability import ReliabilityBin, reliability
from services.watermark.evaluate.threshold import threshold_for

_THUMBNAIL_PX: Final = 320


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of an evaluation.

    Attributes:
        goals: Each goal beside what was measured.
        groups: Marks of one sort against clean images.
        sources: Clean images flagged, by source.
        hard_negatives: The same of what only looks like a mark, by kind.
        curves: ROC and precision-recall.
        reliability: Whether probabilities mean what they say.
        threshold: The detector's: over it an image is flagged.
        fitting_threshold: The one that would flag at most `max_false_positive_ratio` of these clean images.
        max_false_positive_ratio: For that.
    """

    goals: list[Goal]
    groups: list[Group]
    sources: list[Flagged]
    hard_negatives: list[Flagged]
    curves: list[Curves]
    reliability: list[ReliabilityBin]
    threshold: float
    fitting_threshold: float
    max_false_positive_ratio: float


def judge_images(
    images: Iterable[tuple[ImageFacts, Rgb]], detector: Detector
) -> Iterator[JudgedImage]:
    """Judges images, in their order, and keeps a small picture of each.

    Raises:
        ImageNotJudged: The detector fails, or gives no probabilities, for one of them.
    """
    for facts, rgb, detection in judge(images, detector):
        yield JudgedImage(facts, detection.probability, thumbnail_of(rgb))


def evaluation_of(
    judged: Sequence[JudgedImage], *, threshold: float, max_false_positive_ratio: float
) -> Evaluation:
    """Measures everything.

    Raises:
        NothingToCompare: There are no clean or no marked images.
    """
    groups = groups_of(judged, threshold)
    clean = [image for image in judged if image.facts.truth is Truth.CLEAN]
    hard = [image for image in judged if image.facts.truth is Truth.HARD_NEGATIVE]
    sources = flagged_by(clean, lambda facts: facts.source, threshold)
    probabilities = np.asarray([image.probability for image in clean])
    return Evaluation(
        goals=goals_of(judged, sources, threshold),
        groups=groups,
        sources=sources,
        hard_negatives=flagged_by(
            hard, lambda facts: f"{facts.generator}: {facts.kind}", threshold
        ),
        curves=curves_of(judged),
        reliability=reliability(judged),
        threshold=threshold,
        fitting_threshold=threshold_for(probabilities, max_false_positive_ratio),
        max_false_positive_ratio=max_false_positive_ratio,
    )


def worst_misses(judged: Sequence[JudgedImage], count: int) -> list[JudgedImage]:
    """The marked images of the lowest probabilities, of each photo one."""
    marked = [image for image in judged if image.facts.truth is Truth.MARKED]
    return _one_a_photo(sorted(marked, key=lambda image: image.probability))[:count]


def worst_alarms(judged: Sequence[JudgedImage], truth: Truth, count: int) -> list[JudgedImage]:
    """The clean images, or the hard negatives, of the highest probabilities, of each photo one."""
    others = [image for image in judged if image.facts.truth is truth]
    return _one_a_photo(sorted(others, key=lambda image: -image.probability))[:count]


def thumbnail_of(rgb: Rgb) -> bytes:
    """A JPEG of at most 320 pixels a side."""
    stream = io.BytesIO()
    small = smaller(rgb, _THUMBNAIL_PX)
    PillowImage.fromarray(small).save(stream, "JPEG", quality=85, subsampling=0)
    return stream.getvalue()


def _one_a_photo(images: Sequence[JudgedImage]) -> list[JudgedImage]:
    first: dict[str, JudgedImage] = {}
    for image in images:
        first.setdefault(image.facts.photo, image)
    return list(first.values())
