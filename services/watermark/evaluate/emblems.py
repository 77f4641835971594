"""Outlines that are not lines of text: logos, stamps, badges, ribbons and signatures."""

from __future__ import annotations

import numpy as np
from matplotlib.path import Path as Curve
from matplotlib.transforms import Affine2D

from services.watermark.evaluate.outline import Outline, Piece, extents, fitted, moved
from services.watermark.evaluate.wording import Font

_CODE_SIDE = 17


def circle(radius: float, *, stroke: float = 0.0) -> Piece:
    """A disc, or a ring, about the origin."""
    return Piece(Curve.circle((0.0, 0.0), radius), stroke)


def rounded_box(width: float, height: float, radius: float, *, stroke: float = 0.0) -> Piece:
    """A box with round corners about the origin."""
    x, y = width / 2, height / 2
    points = [(x - radius, -y), (x, -y), (x, -y + radius), (x, y - radius), (x, y), (x - radius, y)]
    points += [(-x + radius, y), (-x, y), (-x, y - radius), (-x, -y + radius), (-x, -y)]
    points += [(-x + radius, -y), (x - radius, -y)]
    line, bend = Curve.LINETO, Curve.CURVE3
    codes = [Curve.MOVETO, *([bend, bend, line] * 3), bend, bend, Curve.CLOSEPOLY]
    return Piece(Curve(points, codes), stroke)


def logo(rng: np.random.Generator) -> Outline:
    """A drawn sign: a star in a ring, a shutter, leaves, mountains or waves."""
    signs = (_star, _shutter, _leaves, _mountains, _waves)
    return signs[int(rng.integers(len(signs)))](rng)


def circular_stamp(text: str, font: Font, rng: np.random.Generator) -> Outline:
    """Two rings, a text around between them, and a logo inside."""
    pieces = [circle(100, stroke=4.0), circle(64, stroke=2.5)]
    letters = f"{text} • " if font.has("•") else f"{text} - "
    letters *= max(1, round(26 / len(letters)))
    for index, letter in enumerate(letters):
        if letter == " ":
            continue
        glyph = font.outline(letter)
        box = extents(glyph)
        place = Affine2D().translate(-(box.x0 + box.x1) / 2, 0).scale(0.3)
        place = place.translate(0, -73).rotate(2 * np.pi * index / len(letters))
        pieces.extend(moved(glyph, place))
    return (*pieces, *fitted(logo(rng), width=78))


def ribbon(text: str, font: Font) -> Outline:
    """A band with notched ends, out of which the text is cut."""
    letters = fitted(font.outline(text), width=200)
    height = extents(letters).height * 2
    y, end, notch = height / 2, 100 + height, 100 + height * 0.55
    points = [(-end, -y), (end, -y), (notch, 0), (end, y), (-end, y), (-notch, 0), (-end, -y)]
    return (Piece(Curve(points, closed=True)), *_cut(letters))


def badge(text: str, font: Font, rng: np.random.Generator) -> Outline:
    """A box with a text cut out, or one like a code for cameras above a framed text."""
    letters = fitted(font.outline(text), width=180)
    height = extents(letters).height
    box = rounded_box(216, height + 36, 14)
    if rng.random() < 0.6:
        return (box, *_cut(letters))
    code = fitted(_code(rng), width=150)
    shift = Affine2D().translate(0, 75 + 30 + height / 2)
    frame = (rounded_box(216, height + 26, 10, stroke=3.0), *letters)
    return (*code, *moved(frame, shift))


def signature(rng: np.random.Generator) -> Outline:
    """Loops of a pen and a line under them."""
    count = int(rng.integers(8, 15))
    x = np.cumsum(rng.uniform(4, 16, count * 3 + 1))
    y = rng.normal(0, 1, len(x)) * np.where(rng.random(len(x)) < 0.25, 38, 15)
    x += rng.normal(0, 9, len(x))
    codes = [Curve.MOVETO, *([Curve.CURVE4] * (count * 3))]
    pen = float(rng.uniform(4.0, 9.0))
    line = [(x.min(), 42.0), (x.mean(), 30.0 + 10 * rng.random()), (x.max(), 40.0)]
    under = Piece(Curve(line, [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3]), pen * 0.7)
    return (Piece(Curve(np.column_stack((x, y)), codes), pen), under)


def _cut(outline: Outline) -> Outline:
    return tuple(Piece(piece.curve, piece.stroke, cut=True) for piece in outline)


def _star(rng: np.random.Generator) -> Outline:
    corners = int(rng.integers(4, 9))
    star = Curve.unit_regular_star(corners, innerCircle=float(rng.uniform(0.3, 0.6)))
    scaled = Affine2D().scale(66, -66).transform_path(star)
    return (Piece(scaled), circle(92, stroke=float(rng.uniform(4, 14))))


def _shutter(rng: np.random.Generator) -> Outline:
    blades = int(rng.integers(5, 9))
    inner, outer = 34.0, 88.0
    pieces = [circle(96, stroke=7.0)]
    for blade in range(blades):
        angle = 2 * np.pi * blade / blades
        ends = np.array([angle, angle + 2.1 * np.pi / blades])
        points = np.column_stack((np.cos(ends) * [inner, outer], np.sin(ends) * [inner, outer]))
        pieces.append(Piece(Curve(points), 6.0))
    return tuple(pieces)


def _leaves(rng: np.random.Generator) -> Outline:
    leaf = Curve(
        [(0, 0), (-34, -50), (0, -96), (34, -50), (0, 0)],
        [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3, Curve.CURVE3, Curve.CURVE3],
    )
    count = int(rng.integers(3, 8))
    return tuple(
        Piece(Affine2D().rotate(2 * np.pi * turn / count).transform_path(leaf))
        for turn in range(count)
    )


def _mountains(rng: np.random.Generator) -> Outline:
    left, right = rng.uniform(-90, -40), rng.uniform(-70, -30)
    points = [(-100, 50), (-45, left), (-12, 0), (30, right), (100, 50), (-100, 50)]
    sun = Affine2D().translate(55, -62).transform_path(Curve.circle((0.0, 0.0), 17))
    return (Piece(Curve(points), float(rng.choice([0.0, 9.0]))), Piece(sun))


def _waves(rng: np.random.Generator) -> Outline:
    x = np.linspace(-100, 100, 60)
    return tuple(
        Piece(Curve(np.column_stack((x, 18 * np.sin(x / rng.uniform(14, 24)) + y))), 11.0)
        for y in (-38, 0, 38)
    )


def _code(rng: np.random.Generator) -> Outline:
    """Random modules with the three corner signs; it says nothing."""
    dark = rng.random((_CODE_SIDE, _CODE_SIDE)) < 0.5
    for row, column in ((0, 0), (0, _CODE_SIDE - 5), (_CODE_SIDE - 5, 0)):
        dark[row : row + 5, column : column + 5] = True
        dark[row + 1 : row + 4, column + 1 : column + 4] = False
        dark[row + 2, column + 2] = True
    unit = Curve.unit_rectangle()
    return tuple(
        Piece(Affine2D().translate(x, y).transform_path(unit)) for y, x in np.argwhere(dark)
    )
