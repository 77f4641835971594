"""One image that a detector has judged, with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Truth(StrEnum):
    """What an image is."""

    CLEAN = "clean"
    MARKED = "marked"
    HARD_NEGATIVE = "hard negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of an image without a detector.

    Attributes:
        name: What a person finds it by.
        photo: The photo that it was made of: images of one photo are no independent evidence.
        source: Where the photo is from.
        truth: What it is.
        generator: What drew the mark; empty for a clean image and a real mark.
        kind: The kind of mark or hard negative; empty if it is not known.
        opacity: Of the mark, 0..1; None if it is not known.
        width_ratio: Width of the mark / width of the image, 0..1; None if it is not known.
        visible_px: Pixels of the image at 448x448 that the mark still changes by 16 of 255 levels once it was saved;
            None if the image without the mark is not at hand.
    """

    name: str
    photo: str
    source: str
    truth: Truth
    generator: str = ""
    kind: str = ""
    opacity: float | None = None
    width_ratio: float | None = None
    visible_px: int | None = None


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """An image and what the detector says of it.

    Attributes:
        facts: What is known of it.
        probability: [0, 1].
        thumbnail: A small JPEG of what was judged.
    """

    facts: ImageFacts
    probability: float
    thumbnail: bytes = b""
