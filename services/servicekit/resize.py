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
    the middle out, with torchvision's rounding, which open_clip's models were trained with; only the part that stays
    is scaled.
    """
    height_px, width_px = rgb.shape[:2]
    if (height_px, width_px) == (shape.height_px, shape.width_px):
        return rgb
    box = (0.0, 0.0, float(width_px), float(height_px))
    if shape.rule is ResizeRule.CENTER_CROP:
        box = _center_box(width_px, height_px, shape)
    resized = PillowImage.fromarray(rgb).resize(
        (shape.width_px, shape.height_px), PillowImage.Resampling.BICUBIC, box=box
    )
    return np.asarray(resized)


def _center_box(
    width_px: int, height_px: int, shape: InputShape
) -> tuple[float, float, float, float]:
    """The part of the source that stays: what torchvision's Resize(short side) and CenterCrop leave of it."""
    scale = max(shape.width_px / width_px, shape.height_px / height_px)
    scaled_w = max(shape.width_px, int(width_px * scale))
    scaled_h = max(shape.height_px, int(height_px * scale))
    left, top = round((scaled_w - shape.width_px) / 2), round((scaled_h - shape.height_px) / 2)
    x, y = width_px / scaled_w, height_px / scaled_h
    right, bottom = (left + shape.width_px) * x, (top + shape.height_px) * y
    return (left * x, top * y, min(right, width_px), min(bottom, height_px))
