"""Pixels to the input of an encoder or detector: one rule for the crawler and for the services."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image as PillowImage

from services.servicekit.image import Rgb


class ResizeRule(StrEnum):
    """How an image of any shape is brought to the input size; the values stand in encoder.json."""

    SQUASH = "squash"
    CENTER_CROP = "center_crop"


@dataclass(frozen=True, slots=True)
class InputShape:
    """The input that a network takes.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        rule: How other sizes are brought to it.
    """

    width_px: int
    height_px: int
    rule: ResizeRule = ResizeRule.SQUASH


def to_input(rgb: Rgb, shape: InputShape) -> Rgb:
    """Brings an (h, w, 3) uint8 image to (height_px, width_px, 3): bicubic with antialiasing.

    Pixels that already have the input's size are returned as they are. `CENTER_CROP` scales the shorter side and cuts
    the middle out of the source first, which is the same and reads less.
    """
    height_px, width_px = rgb.shape[:2]
    if (height_px, width_px) == (shape.height_px, shape.width_px):
        return rgb
    box = (0.0, 0.0, float(width_px), float(height_px))
    if shape.rule is ResizeRule.CENTER_CROP:
        scale = min(width_px / shape.width_px, height_px / shape.height_px)
        crop_w, crop_h = shape.width_px * scale, shape.height_px * scale
        left, top = (width_px - crop_w) / 2, (height_px - crop_h) / 2
        box = (left, top, left + crop_w, top + crop_h)
    resized = PillowImage.fromarray(rgb).resize(
        (shape.width_px, shape.height_px), PillowImage.Resampling.BICUBIC, box=box
    )
    return np.asarray(resized)
