"""Pairs of the same photo, clean and marked, that differ in the mark alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage

from services.servicekit.image import Rgb
from services.watermark.synthesis.encoding import Encoding, choose_encoding
from services.watermark.synthesis.generator import MarkedPhoto, MarkGenerator, Mask

_AFTER_SHARE = 0.4
_NEGATIVE_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Pair:
    """One photo twice, before both go through `encoding`.

    Attributes:
        clean: (h, w, 3) uint8; a hard negative may be in it, and then in `drawn` too.
        drawn: The same with a mark, or with a hard negative of its own.
        encoding: What both go through.
        negative: The kind of the hard negative that is in both; empty for none.
    """

    clean: Rgb
    drawn: MarkedPhoto
    encoding: Encoding
    negative: str = ""

    def encoded(self) -> tuple[Rgb, Rgb]:
        """The clean and the marked image as their files show them: (h, w, 3) uint8 of the encoding's size."""
        return self.encoding.apply(self.clean), self.encoding.apply(self.drawn.pixels)

    def mask_at(self, width_px: int, height_px: int) -> Mask:
        """Where the mark is once the image has been brought to this size: (height_px, width_px) bool.

        A pixel counts if a fifth of what became of it was changed by the mark.
        """
        mask = PillowImage.fromarray(self.drawn.mask.astype(np.uint8) * 255)
        small = mask.resize((width_px, height_px), PillowImage.Resampling.BOX)
        return np.asarray(np.asarray(small) >= 51)


def make_pair(photo: Rgb, generator: MarkGenerator, kind: str, rng: np.random.Generator) -> Pair:
    """Draws one mark of a kind on an (h, w, 3) uint8 photo, and chooses an encoding.

    Now and then the photo is resized before the mark is drawn, so that the mark is not; now and then a hard negative is
    drawn before the mark, and stays in both images.
    """
    encoding = choose_encoding((photo.shape[1], photo.shape[0]), rng)
    if rng.random() < _AFTER_SHARE:
        image = PillowImage.fromarray(photo)
        photo = np.asarray(image.resize(encoding.size, encoding.filter))
    negatives, negative = generator.hard_negatives, ""
    if negatives and kind not in negatives and rng.random() < _NEGATIVE_SHARE:
        negative = negatives[int(rng.integers(len(negatives)))]
        photo = generator.draw(photo, negative, rng).pixels
    return Pair(photo, generator.draw(photo, kind, rng), encoding, negative)


def shrunk(photo: Rgb, longest_px: int = 1600) -> Rgb:
    """The photo, made smaller if a side is longer: drawing on more costs seconds and changes little at 448 pixels."""
    height_px, width_px = photo.shape[:2]
    scale = longest_px / max(height_px, width_px)
    if scale >= 1:
        return photo
    size = (max(round(width_px * scale), 2), max(round(height_px * scale), 2))
    return np.asarray(PillowImage.fromarray(photo).resize(size, PillowImage.Resampling.BICUBIC))
