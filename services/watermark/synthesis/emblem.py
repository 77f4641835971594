"""Logos as shapes: drawn figures, often with a letter or two in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from services.watermark.synthesis.finishing import Shape
from services.watermark.synthesis.lettering import load_font

Draw = ImageDraw.ImageDraw
_Point = tuple[float, float]

# Drawn large and made small: its edges are smooth.
_SIDE_PX = 192
_MIDDLE = _SIDE_PX / 2


def emblem_shape(
    letters: str, width_px: float, font: Path | None, rng: np.random.Generator
) -> Shape:
    """A logo `width_px` wide and high; `letters` are written into some figures."""
    big = PillowImage.new("L", (_SIDE_PX, _SIDE_PX))
    draw = ImageDraw.Draw(big)
    if rng.random() < 0.4:
        picture = _PICTURES[int(rng.integers(len(_PICTURES)))]
        picture(draw, int(rng.integers(6, 14)))
    else:
        filled = rng.random() < 0.4
        frame = _FRAMES[int(rng.integers(len(_FRAMES)))]
        frame(draw, 255 if filled else None, int(rng.integers(5, 18)))
        face = load_font(font, int(rng.integers(66, 110)) // max(len(letters), 1) + 24)
        # Letters in a filled figure are cut out of it.
        draw.text((_MIDDLE,) * 2, letters, font=face, fill=0 if filled else 255, anchor="mm")
    side = max(round(width_px), 5)
    return big.resize((side, side), PillowImage.Resampling.LANCZOS)


def _around(corners: int, radius: float, turn: float = -math.pi / 2) -> list[_Point]:
    angles = (turn + 2 * math.pi * index / corners for index in range(corners))
    return [(_MIDDLE + radius * math.cos(a), _MIDDLE + radius * math.sin(a)) for a in angles]


def _disc(draw: Draw, fill: int | None, line_px: int) -> None:
    draw.ellipse((6, 6, 186, 186), fill=fill, outline=255, width=line_px)
    if fill is None and line_px < 12:
        draw.ellipse((28, 28, 164, 164), outline=255, width=max(line_px // 2, 3))


def _polygon(corners: int, turn: float = -math.pi / 2) -> Callable[[Draw, int | None, int], None]:
    def figure(draw: Draw, fill: int | None, line_px: int) -> None:
        draw.polygon(_around(corners, 90, turn), fill=fill, outline=255, width=line_px)

    return figure


def _shield(draw: Draw, fill: int | None, line_px: int) -> None:
    points = [(16, 20), (96, 6), (176, 20), (170, 110), (140, 156), (96, 186), (52, 156), (22, 110)]
    draw.polygon(points, fill=fill, outline=255, width=line_px)


def _rounded(draw: Draw, fill: int | None, line_px: int) -> None:
    draw.rounded_rectangle((8, 26, 184, 166), 30, fill=fill, outline=255, width=line_px)


def _star(draw: Draw, line_px: int) -> None:
    outer, inner = _around(5, 92), _around(5, 40, -math.pi / 2 + math.pi / 5)
    points = [point for pair in zip(outer, inner, strict=True) for point in pair]
    draw.polygon(points, fill=255 if line_px > 9 else None, outline=255, width=line_px)


def _camera(draw: Draw, line_px: int) -> None:
    fill = 255 if line_px > 10 else None
    draw.rectangle((62, 28, 130, 52), fill=255)
    draw.rounded_rectangle((8, 48, 184, 168), 18, fill=fill, outline=255, width=line_px)
    draw.ellipse((56, 66, 136, 146), fill=0, outline=255, width=line_px)
    draw.ellipse((76, 86, 116, 126), fill=255)


def _aperture(draw: Draw, line_px: int) -> None:
    draw.ellipse((6, 6, 186, 186), outline=255, width=line_px)
    rim, inside = _around(6, 88), _around(6, 42, -math.pi / 2 + 1.0)
    for start, end in zip(rim, inside, strict=True):
        draw.line((*start, *end), fill=255, width=line_px)
    draw.polygon(inside, outline=255, width=line_px)


def _mountains(draw: Draw, line_px: int) -> None:
    draw.ellipse((126, 24, 166, 64), fill=255)
    draw.line([(8, 160), (70, 60), (108, 120), (132, 86), (184, 160)], fill=255, width=line_px)
    draw.line((8, 164, 184, 164), fill=255, width=line_px)


def _leaf(draw: Draw, line_px: int) -> None:
    draw.chord((-40, 6, 150, 196), -70, 20, fill=255)
    draw.line((20, 180, 140, 50), fill=0, width=line_px // 2)
    draw.line((20, 180, 70, 125), fill=255, width=line_px)


def _bubble(draw: Draw, line_px: int) -> None:
    draw.rounded_rectangle((8, 14, 184, 134), 34, outline=255, width=line_px)
    draw.polygon([(46, 130), (46, 184), (96, 130)], fill=255)
    for left in (48, 86, 124):
        draw.ellipse((left, 64, left + 20, 84), fill=255)


def _play(draw: Draw, line_px: int) -> None:
    draw.ellipse((6, 6, 186, 186), outline=255, width=line_px)
    draw.polygon([(72, 52), (72, 140), (146, 96)], fill=255)


def _laurel(draw: Draw, line_px: int) -> None:
    draw.arc((14, 14, 178, 178), -50, 230, fill=255, width=max(line_px // 2, 3))
    for step in range(-40, 230, 18):
        x = _MIDDLE + 84 * math.cos(math.radians(step))
        y = _MIDDLE + 84 * math.sin(math.radians(step))
        draw.ellipse((x - 11, y - 6, x + 11, y + 6), fill=255)
    draw.ellipse((70, 70, 122, 122), fill=255)


def _drop(draw: Draw, line_px: int) -> None:
    draw.polygon([(96, 4), (44, 104), (148, 104)], fill=255)
    draw.ellipse((40, 74, 152, 186), fill=255)
    draw.arc((62, 96, 130, 164), 70, 170, fill=0, width=line_px)


def _waves(draw: Draw, line_px: int) -> None:
    for top in (40, 90, 140):
        points = [(x, top + 14 * math.sin(x / 15)) for x in range(6, 188, 4)]
        draw.line(points, fill=255, width=line_px, joint="curve")


_FRAMES = (
    _disc,
    _disc,
    _polygon(3),
    _polygon(4),
    _polygon(4, math.pi / 4),
    _polygon(6),
    _polygon(8, math.pi / 8),
    _shield,
    _rounded,
)
_PICTURES = (
    _star,
    _camera,
    _camera,
    _aperture,
    _mountains,
    _leaf,
    _bubble,
    _play,
    _laurel,
    _drop,
    _waves,
)
