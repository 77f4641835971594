"""Pixels to the input of an encoder or detector: one rule for the crawler and for the services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np
from PIL import Image as PillowImage
from PIL import __version__ as pillow_version

from services.servicekit.image import OpenImage, Rgb
from services.servicekit.scaling import SCALER, scale

PREPARATION: Final = f"2, Pillow {pillow_version}, scaled by {SCALER}"
"""How images become inputs here, for caches of what was computed from inputs. Whoever changes a value of any input,
here or in decoding, raises the number; another Pillow or scaler may change values by itself."""


class ResizeRule(StrEnum):
    """How an image of any shape is brought to the input size; the values stand in encoder.json."""

    SQUASH = "squash"
    CENTER_CROP = "center_crop"


PANORAMA_RATIO: Final = 3
"""Long side ÷ short side of an image. Over it, squashed to a square as a whole, it loses its marks (measured in
docs/decisions/0013-panoramas.md)."""


@dataclass(frozen=True, slots=True)
class InputShape:
    """The input that a network takes.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        rule: How other sizes are brought to it.
        quartered: Whether a panorama is cut across into four pieces, and each squashed to a quadrant of the input.
    """

    width_px: int
    height_px: int
    rule: ResizeRule = ResizeRule.SQUASH
    quartered: bool = False

    def enlarges(self, width_px: int, height_px: int) -> bool:
        """Whether an image of this size, or a piece of it, has a side that is smaller than its place in the input."""
        if not self.cuts(width_px, height_px):
            return width_px < self.width_px or height_px < self.height_px
        across, down = (4, 1) if width_px > height_px else (1, 4)
        return width_px * 2 < self.width_px * across or height_px * 2 < self.height_px * down

    def cuts(self, width_px: int, height_px: int) -> bool:
        """Whether an image of this size is cut into four pieces: over three to one, exactly that is squashed."""
        long, short = max(width_px, height_px), min(width_px, height_px)
        return self.quartered and long > PANORAMA_RATIO * short


def inputs_of(image: OpenImage, shapes: Mapping[str, InputShape]) -> dict[str, Rgb]:
    """The inputs of an image, by the words of their shapes.

    The one way from an image to a network, here and in every service. Inputs are made from all pixels, also those of a
    JPEG, which could be decoded at a reduced scale: whoever sends pixels could not take that shortcut, and would get
    other embeddings (docs/decisions/0015-decoding.md).

    Raises:
        ItemRejected: The image does not decode.
    """
    if not shapes:
        return {}
    rgb = image.rgb()
    return {word: to_input(rgb, shape) for word, shape in shapes.items()}


def to_input(image: PillowImage.Image | Rgb, shape: InputShape) -> Rgb:
    """Brings an RGB image, Pillow's or (h, w, 3) uint8, to (height_px, width_px, 3): bicubic with antialiasing.

    An image that already has the input's size is returned as it is. `CENTER_CROP` scales the shorter side and cuts
    the middle out, with torchvision's rounding, which open_clip's models were trained with; only the part that stays
    is scaled.
    """
    size = (shape.width_px, shape.height_px)
    width_px, height_px = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
    if (width_px, height_px) == size:
        return np.asarray(image)
    if shape.cuts(width_px, height_px):
        return _quarters(image, (width_px, height_px), shape)
    box = (0.0, 0.0, float(width_px), float(height_px))
    if shape.rule is ResizeRule.CENTER_CROP:
        box = _center_box(width_px, height_px, shape)
    return scale(image, size, box)


def _quarters(
    image: PillowImage.Image | Rgb, image_size: tuple[int, int], shape: InputShape
) -> Rgb:
    """Four pieces from left to right, or from top to bottom, in the order in which the quadrants are read."""
    size = (shape.width_px // 2, shape.height_px // 2)
    width_px, height_px = image_size
    pieces = []
    for start, end in pairwise(index / 4 for index in range(5)):
        box = (0.0, start * height_px, float(width_px), end * height_px)
        if width_px > height_px:
            box = (start * width_px, 0.0, end * width_px, float(height_px))
        pieces.append(scale(image, size, box))
    return np.concatenate([np.hstack(pieces[:2]), np.hstack(pieces[2:])])


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
