"""Pillow: as the services do it, at reduced scale, and resized in two steps."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
from PIL import Image as PillowImage

from benchmarks.decoding.way import Way
from services.servicekit.image import DecodeLimits, Rgb, open_image
from services.servicekit.resize import InputShape, inputs_of

BICUBIC = PillowImage.Resampling.BICUBIC

_MARGINS = (1, 2, 3, 4)
_GAPS = (2.0, 3.0)


def all_pixels(encoded: bytes, side_px: int) -> Rgb:
    """All pixels, then bicubic: what every other way is compared with."""
    opened = open_image(encoded, DecodeLimits()).rgb()
    assert isinstance(opened, PillowImage.Image)
    return np.asarray(opened.resize((side_px, side_px), BICUBIC))


def as_served(encoded: bytes, side_px: int) -> Rgb:
    """What a service makes of an image."""
    shape = InputShape(side_px, side_px)
    return inputs_of(open_image(encoded, DecodeLimits()), {"": shape})[""]


def pillow_ways() -> list[Way]:
    """All of them but the one that the others are compared with."""
    reduced = [Way(f"Pillow, scale with {k} x the side", partial(_reduced, k)) for k in _MARGINS]
    stepped = [Way(f"Pillow, reducing_gap={gap:g}", partial(_stepped, gap)) for gap in _GAPS]
    return [
        Way("as the services do it: Pillow, all pixels; cykooz-resizer", as_served),
        *reduced,
        *stepped,
    ]


def _reduced(margin: int, encoded: bytes, side_px: int) -> Rgb:
    """The smallest of 1/8, 1/4, 1/2 and 1 that has `margin` times the side; edge pixels may count in part."""
    open_image(encoded, DecodeLimits())
    image = PillowImage.open(io.BytesIO(encoded))
    draft = image.draft("RGB", (margin * side_px, margin * side_px))
    image.load()
    box = draft[1] if draft else None
    return np.asarray(image.resize((side_px, side_px), BICUBIC, box=box))


def _stepped(gap: float, encoded: bytes, side_px: int) -> Rgb:
    """All pixels, averaged in whole blocks until they are `gap` times the input, then bicubic."""
    opened = open_image(encoded, DecodeLimits()).rgb()
    assert isinstance(opened, PillowImage.Image)
    return np.asarray(opened.resize((side_px, side_px), BICUBIC, reducing_gap=gap))
