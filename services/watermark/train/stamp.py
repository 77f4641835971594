"""A stamp: one piece of lettering or one emblem, on a transparent ground, before it is placed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from services.watermark.train.lettering import load_font

Colour = tuple[int, int, int]
Stamp = PillowImage.Image

_REFERENCE_PX = 40
_EMBLEM_PX = 128
_LARGEST_FONT_PX = 400
_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (0, 0, 0)


class Finish(StrEnum):
    """How lettering stands out from the photo."""

    PLAIN = "plain"
    OUTLINED = "outlined"
    HOLLOW = "hollow"
    SHADOWED = "shadowed"
    EMBOSSED = "embossed"


@dataclass(frozen=True, slots=True)
class Ink:
    """What a stamp is drawn with.

    Attributes:
        colour: Red, green, blue.
        finish: How it stands out.
        opacity: Of the whole stamp, 0..1.
    """

    colour: Colour
    finish: Finish
    opacity: float


def choose_ink(rng: np.random.Generator, opacity: float) -> Ink:
    """Mostly white, sometimes black, grey or a colour; mostly plain."""
    pick = rng.random()
    if pick < 0.55:
        colour = _WHITE
    elif pick < 0.7:
        colour = _BLACK
    elif pick < 0.82:
        level = int(rng.integers(60, 220))
        colour = (level, level, level)
    else:
        red, green, blue = (int(value) for value in rng.integers(0, 256, size=3))
        colour = (red, green, blue)
    finish = str(rng.choice(list(Finish), p=[0.45, 0.15, 0.1, 0.2, 0.1]))
    return Ink(colour, Finish(finish), opacity)


def letter_stamp(text: str, width_px: float, ink: Ink, font: Path | None) -> Stamp:
    """Writes a line of text about `width_px` wide (at most 400 px high letters)."""
    left, _, right, _ = load_font(font, _REFERENCE_PX).getbbox(text)
    size_px = round(_REFERENCE_PX * width_px / max(right - left, 1))
    size_px = min(max(size_px, 1), _LARGEST_FONT_PX)
    face = load_font(font, size_px)
    left, top, right, bottom = face.getbbox(text)
    edge = max(round(size_px / 14), 1)
    size = (math.ceil(right - left) + 4 * edge, math.ceil(bottom - top) + 4 * edge)
    stamp = PillowImage.new("RGBA", size, (*ink.colour, 0))
    draw = ImageDraw.Draw(stamp)
    at = (2 * edge - left, 2 * edge - top)
    contrast = _BLACK if sum(ink.colour) > 380 else _WHITE
    if ink.finish is Finish.HOLLOW:
        draw.text(at, text, font=face, fill=(*ink.colour, 0), stroke_width=edge,
                  stroke_fill=(*ink.colour, 255))  # fmt: skip
        draw.text(at, text, font=face, fill=(*ink.colour, 0))
        return _faded(stamp, ink.opacity)
    if ink.finish in (Finish.SHADOWED, Finish.EMBOSSED):
        draw.text((at[0] + edge, at[1] + edge), text, font=face, fill=(*contrast, 255))
    if ink.finish is Finish.EMBOSSED:
        draw.text((at[0] - edge, at[1] - edge), text, font=face, fill=(*_WHITE, 255))
    stroke = edge if ink.finish is Finish.OUTLINED else 0
    draw.text(at, text, font=face, fill=(*ink.colour, 255), stroke_width=stroke,
              stroke_fill=(*contrast, 255))  # fmt: skip
    return _faded(stamp, ink.opacity)


def emblem_stamp(
    letters: str, width_px: float, ink: Ink, *, font: Path | None, rng: np.random.Generator
) -> Stamp:
    """Draws a logo: a shape, often with one or two letters in it, `width_px` wide and high."""
    big = PillowImage.new("RGBA", (_EMBLEM_PX, _EMBLEM_PX), (*ink.colour, 0))
    draw = ImageDraw.Draw(big)
    filled = rng.random() < 0.4
    shape = _SHAPES[rng.integers(len(_SHAPES))]
    shape(draw, ink.colour, int(rng.integers(4, 14)), filled)
    if rng.random() < 0.6:
        face = load_font(font, int(rng.integers(40, 72)))
        # Letters in a filled shape are cut out of it.
        fill = (*ink.colour, 0) if filled else (*ink.colour, 255)
        middle = _EMBLEM_PX / 2
        draw.text((middle, middle), letters, font=face, fill=fill, anchor="mm")
    side = max(round(width_px), 6)
    return _faded(big.resize((side, side), PillowImage.Resampling.LANCZOS), ink.opacity)


def _faded(stamp: Stamp, opacity: float) -> Stamp:
    alpha = stamp.getchannel("A").point(lambda value: round(value * opacity))
    stamp.putalpha(alpha)
    return stamp


def _disc(draw: ImageDraw.ImageDraw, colour: Colour, line_px: int, filled: bool) -> None:  # noqa: FBT001 - one signature for all shapes
    fill = (*colour, 255) if filled else None
    draw.ellipse((6, 6, 122, 122), fill=fill, outline=(*colour, 255), width=line_px)
    if not filled and line_px < 9:
        draw.ellipse((22, 22, 106, 106), outline=(*colour, 255), width=line_px)


def _polygon(corners: int, turn: float) -> Callable[[ImageDraw.ImageDraw, Colour, int, bool], None]:
    def shape(draw: ImageDraw.ImageDraw, colour: Colour, line_px: int, filled: bool) -> None:  # noqa: FBT001 - one signature for all shapes
        fill = (*colour, 255) if filled else None
        points = [
            (64 + 58 * math.cos(turn + angle), 64 + 58 * math.sin(turn + angle))
            for angle in (2 * math.pi * index / corners for index in range(corners))
        ]
        draw.polygon(points, fill=fill, outline=(*colour, 255), width=line_px)

    return shape


def _star(draw: ImageDraw.ImageDraw, colour: Colour, line_px: int, filled: bool) -> None:  # noqa: FBT001 - one signature for all shapes
    fill = (*colour, 255) if filled else None
    points = []
    for index in range(10):
        radius = 60 if index % 2 == 0 else 26
        angle = math.pi * index / 5 - math.pi / 2
        points.append((64 + radius * math.cos(angle), 64 + radius * math.sin(angle)))
    draw.polygon(points, fill=fill, outline=(*colour, 255), width=max(line_px // 2, 2))


def _camera(draw: ImageDraw.ImageDraw, colour: Colour, line_px: int, filled: bool) -> None:  # noqa: FBT001 - one signature for all shapes
    solid = (*colour, 255)
    draw.rectangle((40, 18, 88, 34), fill=solid)
    fill = solid if filled else None
    draw.rounded_rectangle((6, 34, 122, 112), 12, fill=fill, outline=solid, width=line_px)
    lens = (*colour, 0) if filled else None
    draw.ellipse((38, 46, 90, 98), fill=lens, outline=None if filled else solid, width=line_px)


_SHAPES = (
    _disc,
    _disc,
    _polygon(3, -math.pi / 2),
    _polygon(4, 0.0),
    _polygon(4, math.pi / 4),
    _polygon(6, 0.0),
    _star,
    _camera,
)
