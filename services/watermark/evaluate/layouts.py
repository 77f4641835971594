"""Where a mark lies on a photo and how wide it is, one function a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.transforms import Affine2D, Bbox

from services.watermark.evaluate import emblems
from services.watermark.evaluate.outline import Outline, Piece, extents, fitted, moved, stacked
from services.watermark.evaluate.wording import (
    DOMAINS,
    HANDLES,
    NAMES,
    SHOUTS,
    Font,
    choose_font,
    choose_text,
)

# So many copies at most: a finer pattern takes seconds and is no longer read.
_COPIES_MAX = 220

# Letters narrower than this are a grey line.
_LETTER_PX = 3.0


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a mark is laid out on, and what it is written in.

    Attributes:
        width_px: Of the photo.
        height_px: Of the photo.
        fonts: To choose from.
    """

    width_px: int
    height_px: int
    fonts: Sequence[Font]


@dataclass(frozen=True, slots=True)
class Layout:
    """A mark at its place.

    Attributes:
        outline: In pixels of the photo.
        text: What is written in it; may be empty.
        width_ratio: Width of the mark (of one copy if it is repeated) / width of the photo.
    """

    outline: Outline
    text: str
    width_ratio: float


LayoutRule = Callable[[Canvas, np.random.Generator], Layout]


def tiled(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A pattern over the whole photo: turned, every second row shifted."""
    one, text = _words(canvas, (*NAMES, *SHOUTS, *DOMAINS), rng)
    if rng.random() < 0.3:
        one, text = emblems.logo(rng), ""
    width = canvas.width_px * float(rng.uniform(0.08, 0.3))
    one = fitted(one, width=width)
    box = extents(one)
    step_x, step_y = width * rng.uniform(1.2, 1.9), max(box.height * rng.uniform(2, 5), width * 0.3)
    reach = float(np.hypot(canvas.width_px, canvas.height_px)) / 2
    stretch = max(1.0, float(np.sqrt((2 * reach) ** 2 / (step_x * step_y) / _COPIES_MAX)))
    turn = float(rng.uniform(-np.pi / 3, np.pi / 3))
    pieces: list[Piece] = []
    for row, y in enumerate(np.arange(-reach, reach, step_y * stretch)):
        for x in np.arange(-reach, reach, step_x * stretch) + row % 2 * step_x / 2:
            place = Affine2D().translate(x, y).rotate(turn)
            place.translate(canvas.width_px / 2, canvas.height_px / 2)
            copy = moved(one, place)
            if extents(copy).overlaps(_frame(canvas)):
                pieces.extend(copy)
    turned = extents(moved(one, Affine2D().rotate(turn))).width
    return Layout(tuple(pieces), text, min(1.0, float(turned) / canvas.width_px))


def diagonal(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """One line, or a ribbon, along a diagonal."""
    text, font = _text(canvas, (*NAMES, *SHOUTS, *DOMAINS), rng)
    spacing = float(rng.choice([0.0, 0.25]))
    band = rng.random() < 0.25
    line = emblems.ribbon(text, font) if band else font.outline(text, spacing=spacing)
    angle = np.arctan2(canvas.height_px, canvas.width_px) * float(rng.choice([-1, 1]))
    long = float(np.hypot(canvas.width_px, canvas.height_px)) * float(rng.uniform(0.4, 0.8))
    place = Affine2D().rotate(angle).translate(canvas.width_px / 2, canvas.height_px / 2)
    return _laid(canvas, moved(fitted(line, width=long), place), text)


def corner(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A name above a domain in a corner."""
    name, font = _text(canvas, NAMES, rng)
    second, _ = _text(canvas, (*DOMAINS, *HANDLES), rng)
    second_font = choose_font(canvas.fonts, second, rng)
    lines = (
        fitted(font.outline(name), width=100),
        fitted(second_font.outline(second), width=float(rng.uniform(60, 110))),
    )
    width = _width(canvas, (0.05, 0.35), max(len(name), len(second)), rng)
    outline = _at_edge(canvas, fitted(stacked(lines, gap=0.5), width=width), rng, corners=True)
    return _laid(canvas, outline, f"{name} {second}")


def copyright_line(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A thin line with a year, a name or an address at the lower or the upper edge."""
    year = int(rng.integers(1999, 2031))
    forms = [f"© {year} {name}" for name in NAMES] + [f"(c) {name} / {year}" for name in NAMES]
    text, font = _text(canvas, (*forms, *DOMAINS), rng)
    line = font.outline(text, spacing=float(rng.choice([0.0, 0.1, 0.3])))
    width = _width(canvas, (0.08, 0.45), len(text), rng)
    line = fitted(line, width=width)
    half_width, half_height = width / 2, extents(line).height / 2
    margin = float(rng.uniform(0.01, 0.04)) * canvas.height_px
    x = rng.uniform(half_width, max(half_width, canvas.width_px - half_width))
    y = margin + half_height
    y = canvas.height_px - y if rng.random() < 0.85 else y
    return _laid(canvas, moved(line, Affine2D().translate(x, y)), text)


def logo(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A drawn sign, sometimes over a name, near an edge or anywhere."""
    sign, text = fitted(emblems.logo(rng), width=100), ""
    if rng.random() < 0.4:
        words, text = _words(canvas, NAMES, rng)
        sign = stacked((sign, fitted(words, width=110)), gap=0.15)
    width = _width(canvas, (0.04, 0.25), max(4, len(text)), rng)
    corners = bool(rng.random() < 0.75)
    outline = _at_edge(canvas, fitted(sign, width=width), rng, corners=corners)
    return _laid(canvas, outline, text)


def centre(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A round stamp or a framed shout about the middle."""
    text, font = _text(canvas, (*SHOUTS, *NAMES), rng)
    share = float(rng.uniform(0.15, 0.5))
    if rng.random() < 0.5:
        mark = emblems.circular_stamp(text, font, rng)
        share = min(share, 0.9 * canvas.height_px / canvas.width_px)
    else:
        letters = fitted(font.outline(text, spacing=0.1), width=200)
        frame = emblems.rounded_box(230, extents(letters).height + 34, 6, stroke=4.0)
        mark = (frame, *letters)
    turn = Affine2D().rotate(float(rng.normal(0, 0.15)))
    shift_x, shift_y = rng.normal(0, 0.05, 2)
    place = turn.translate(canvas.width_px * (0.5 + shift_x), canvas.height_px * (0.5 + shift_y))
    mark = moved(fitted(mark, width=share * canvas.width_px), place)
    return _laid(canvas, mark, text)


def screened(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A large sign or shout anywhere, broad enough to be printed in dots."""
    text, font = _text(canvas, SHOUTS, rng)
    mark = font.outline(text)
    if rng.random() < 0.5:
        text, mark = "", emblems.logo(rng)
    width = canvas.width_px * float(rng.uniform(0.2, 0.6))
    mark = fitted(mark, width=width)
    height = extents(mark).height
    x = rng.uniform(width / 2, canvas.width_px - width / 2)
    y = rng.uniform(height / 2, max(height / 2, canvas.height_px - height / 2))
    return _laid(canvas, moved(mark, Affine2D().translate(x, y)), text)


def badge(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A filled box with a text cut out, a code, or a ribbon, in a corner."""
    text, font = _text(canvas, (*HANDLES, *DOMAINS, *NAMES), rng)
    drawn = rng.random() < 0.7
    mark = emblems.badge(text, font, rng) if drawn else emblems.ribbon(text, font)
    width = _width(canvas, (0.06, 0.3), len(text), rng)
    outline = _at_edge(canvas, fitted(mark, width=width), rng, corners=True)
    return _laid(canvas, outline, text)


def handle(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A handle that runs up or down a side."""
    text, font = _text(canvas, (*HANDLES, *DOMAINS), rng)
    least = min(_LETTER_PX * len(text), 0.9 * canvas.height_px)
    long = max(least, canvas.height_px * float(rng.uniform(0.12, 0.5)))
    line = moved(
        fitted(font.outline(text), width=long),
        Affine2D().rotate(np.pi / 2 * float(rng.choice([-1, 1]))),
    )
    return _laid(canvas, _at_edge(canvas, line, rng, corners=False), text)


def signature(canvas: Canvas, rng: np.random.Generator) -> Layout:
    """A signature by hand in a lower corner."""
    width = _width(canvas, (0.06, 0.25), 8, rng)
    outline = fitted(emblems.signature(rng), width=width)
    return _laid(canvas, _at_edge(canvas, outline, rng, corners=True), "")


def _width(
    canvas: Canvas, shares: tuple[float, float], letters: int, rng: np.random.Generator
) -> float:
    """A width in pixels: a share of the photo's, small ones as often as large, in which letters can be told apart."""
    low, high = np.log(shares)
    width = canvas.width_px * float(np.exp(rng.uniform(low, high)))
    return max(width, min(_LETTER_PX * letters, 0.9 * canvas.width_px))


def _words(canvas: Canvas, texts: Sequence[str], rng: np.random.Generator) -> tuple[Outline, str]:
    text, font = _text(canvas, texts, rng)
    return font.outline(text), text


def _text(canvas: Canvas, texts: Sequence[str], rng: np.random.Generator) -> tuple[str, Font]:
    text = choose_text(texts, canvas.fonts, rng)
    return text, choose_font(canvas.fonts, text, rng)


def _at_edge(
    canvas: Canvas, outline: Outline, rng: np.random.Generator, *, corners: bool
) -> Outline:
    """The outline near an edge of the photo: in one of the corners, or somewhere along a side."""
    box = extents(outline)
    margin = float(rng.uniform(0.008, 0.05)) * min(canvas.width_px, canvas.height_px)
    room_x = max(0.0, canvas.width_px - box.width - 2 * margin)
    room_y = max(0.0, canvas.height_px - box.height - 2 * margin)
    across = float(rng.integers(2))
    # Lower corners are signed more often.
    down = float(rng.random() < 0.75) if corners else float(rng.random())
    x = margin + across * room_x - box.x0
    y = margin + down * room_y - box.y0
    return moved(outline, Affine2D().translate(x, y))


def _laid(canvas: Canvas, outline: Outline, text: str) -> Layout:
    return Layout(outline, text, min(1.0, float(extents(outline).width) / canvas.width_px))


def _frame(canvas: Canvas) -> Bbox:
    return Bbox([[0, 0], [canvas.width_px, canvas.height_px]])
