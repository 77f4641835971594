"""Pairs of the same photo, clean and marked, that differ in the mark alone."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageFilter

from services.servicekit.image import Rgb
from services.servicekit.resize import InputShape, to_input
from services.watermark.train.lettering import Lettering
from services.watermark.train.mark import MarkPlan, draw_mark

INPUT = InputShape(448, 448)

_VISIBLE_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """One photo twice.

    Attributes:
        clean: (448, 448, 3) uint8.
        marked: (448, 448, 3) uint8, with the mark.
        mask: (448, 448) bool, where the mark changed a channel by at least 10 of 255 levels.
        plan: What was drawn.
    """

    clean: Rgb
    marked: Rgb
    mask: npt.NDArray[np.bool_]
    plan: MarkPlan


def synthesize_pair(
    photo: Rgb, plan: MarkPlan, lettering: Lettering, rng: np.random.Generator
) -> Pair:
    """Marks a photo and sends both forms through the same encoding.

    Both are saved as JPEG with one quality: if only the marked form were saved again, a detector would learn to see the
    saving.
    """
    base = PillowImage.fromarray(photo)
    overlay = draw_mark(plan, base.size, lettering, rng)
    covered = PillowImage.alpha_composite(base.convert("RGBA"), overlay).convert("RGB")
    clean_input = to_input(np.asarray(base), INPUT)
    marked_input = to_input(np.asarray(covered), INPUT)
    difference = np.abs(marked_input.astype(np.int16) - clean_input.astype(np.int16))
    encoding = choose_encoding(base.size, rng)
    return Pair(
        clean=encoding.apply(base),
        marked=encoding.apply(covered),
        mask=difference.max(axis=2) >= _VISIBLE_LEVELS,
        plan=plan,
    )


@dataclass(frozen=True, slots=True)
class Encoding:
    """What happens to an image between its author and its judge.

    Attributes:
        size: Width and height that it is saved with, pixels.
        quality: Of the JPEG, 1..95; None saves nothing.
        sharpness: Percent of an unsharp mask; photos made small from large ones look so.
    """

    size: tuple[int, int]
    quality: int | None
    sharpness: int

    def apply(self, image: PillowImage.Image) -> Rgb:
        """Resizes, sharpens, saves, loads, and brings to (448, 448, 3) uint8."""
        if image.size != self.size:
            image = image.resize(self.size, PillowImage.Resampling.BICUBIC)
        if self.sharpness:
            image = image.filter(ImageFilter.UnsharpMask(1, self.sharpness, 0))
        if self.quality is not None:
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=self.quality)
            image = PillowImage.open(stream).convert("RGB")
        return to_input(np.asarray(image), INPUT)


def choose_encoding(size: tuple[int, int], rng: np.random.Generator) -> Encoding:
    """An encoding at random for an image of `size` (width, height)."""
    scale = float(rng.uniform(0.8, 1.0)) if rng.random() < 0.4 else 1.0
    scaled = (max(round(size[0] * scale), 32), max(round(size[1] * scale), 32))
    quality = None if rng.random() < 0.15 else int(rng.integers(55, 96))
    sharpness = int(rng.integers(40, 150)) if rng.random() < 0.3 else 0
    return Encoding(scaled, quality, sharpness)


def crop_at_random(photo: Rgb, rng: np.random.Generator) -> Rgb:
    """A part of the photo (60 to 100 % of each side), mirrored half of the time."""
    height_px, width_px = photo.shape[:2]
    kept_h, kept_w = (int(side * rng.uniform(0.6, 1.0)) for side in (height_px, width_px))
    top = int(rng.integers(height_px - kept_h + 1))
    left = int(rng.integers(width_px - kept_w + 1))
    part = photo[top : top + kept_h, left : left + kept_w]
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)
