"""Lines of text as shapes."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image as PillowImage
from PIL import ImageDraw

from services.watermark.synthesis.finishing import Shape
from services.watermark.synthesis.lettering import load_font

_REFERENCE_PX = 40
_LARGEST_FONT_PX = 400


def line_shape(text: str, width_px: float, font: Path | None, *, height_px: float = 1e4) -> Shape:
    """A line of text about `width_px` wide, or less where its letters would be over `height_px` high."""
    left, top, right, bottom = load_font(font, _REFERENCE_PX).getbbox(text)
    size = min(width_px / max(right - left, 1), height_px / max(bottom - top, 1)) * _REFERENCE_PX
    face = load_font(font, min(max(round(size), 1), _LARGEST_FONT_PX))
    left, top, right, bottom = face.getbbox(text)
    shape = PillowImage.new("L", (math.ceil(right - left) + 2, math.ceil(bottom - top) + 2))
    ImageDraw.Draw(shape).text((1 - left, 1 - top), text, font=face, fill=255)
    return shape


def stacked(shapes: list[Shape], gap_px: int) -> Shape:
    """Shapes under one another, in the middle."""
    width_px = max(shape.width for shape in shapes)
    height_px = sum(shape.height for shape in shapes) + gap_px * (len(shapes) - 1)
    whole = PillowImage.new("L", (width_px, height_px))
    top = 0
    for shape in shapes:
        whole.paste(shape, ((width_px - shape.width) // 2, top))
        top += shape.height + gap_px
    return whole


def beside(left: Shape, right: Shape, gap_px: int) -> Shape:
    """Two shapes beside one another, in the middle."""
    height_px = max(left.height, right.height)
    whole = PillowImage.new("L", (left.width + gap_px + right.width, height_px))
    whole.paste(left, (0, (height_px - left.height) // 2))
    whole.paste(right, (left.width + gap_px, (height_px - right.height) // 2))
    return whole
