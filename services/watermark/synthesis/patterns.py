"""The kinds of mark that go over the whole photo or from side to side."""

from __future__ import annotations

import math

from PIL import Image as PillowImage

from services.watermark.synthesis.easel import Easel
from services.watermark.synthesis.emblem import emblem_shape
from services.watermark.synthesis.finishing import Shape
from services.watermark.synthesis.ink import Colour
from services.watermark.synthesis.layouts import Widths, initials, written
from services.watermark.synthesis.words import line_shape, stacked

_MOST_COPIES = 140


def tiled(easel: Easel, widths: Widths) -> None:
    """One text or logo again and again, in rows that are straight or tilted."""
    shape = _tile(easel, widths)
    turn = float(easel.rng.uniform(-45, 45)) if easel.rng.random() < 0.6 else 0.0
    if turn:
        shape = shape.rotate(turn, PillowImage.Resampling.BICUBIC, expand=True)
    step_x = round(shape.width * float(easel.rng.uniform(1.1, 2.0))) + 4
    step_y = round(shape.height * float(easel.rng.uniform(1.2, 3.0))) + 4
    crowd = math.sqrt(easel.width * easel.height / (step_x * step_y) / _MOST_COPIES)
    step_x, step_y = (round(step * max(crowd, 1.0)) for step in (step_x, step_y))
    shift = step_x // 2 if easel.rng.random() < 0.6 else 0
    top, left = (-int(easel.rng.integers(step)) for step in (step_y, step_x))
    places = [
        (x - shift * (row % 2), y)
        for row, y in enumerate(range(top, easel.height, step_y))
        for x in range(left, easel.width + shift, step_x)
    ]
    easel.put(shape, places)


def stock(easel: Easel, widths: Widths) -> None:
    """What agencies lay over previews: thin lines, crosses, the brand, and a number at the edge."""
    name = written(easel, easel.lettering.texts.warnings, widths, 0.2)
    middle = easel.around(name, 0.5, 0.5)
    ink = easel.ink_at(middle, name)
    _grid(easel, ink.colour)
    places = [middle]
    if easel.rng.random() < 0.6:
        places += [easel.around(name, x, y) for x in (0.2, 0.8) for y in (0.22, 0.78)]
    easel.put(name, places)
    if easel.rng.random() < 0.6:
        _number(easel)


def bar(easel: Easel, widths: Widths) -> None:
    """A strip across the photo with a text in it."""
    thick_px = max(round(easel.height * float(easel.rng.uniform(0.035, 0.1))), 8)
    spots = (0, easel.height - thick_px, easel.height - thick_px, (easel.height - thick_px) // 2)
    top = spots[int(easel.rng.integers(len(spots)))]
    texts = easel.lettering.texts
    _strip(easel, top, thick_px, (*texts.signatures, *texts.warnings, *texts.addresses), widths)


def banner(easel: Easel, widths: Widths) -> None:
    """The thin strip at the bottom that sites put under what they show: a logo and their address."""
    thick_px = max(round(easel.height * float(easel.rng.uniform(0.025, 0.05))), 8)
    top = easel.height - thick_px
    _strip(easel, top, thick_px, easel.lettering.texts.addresses, widths)
    figure = emblem_shape(initials(easel), thick_px * 0.8, None, easel.rng)
    easel.put(figure, [(thick_px // 3, top + (thick_px - figure.height) // 2)])
    easel.width_px = float(easel.width)


def _tile(easel: Easel, widths: Widths) -> Shape:
    if easel.rng.random() < 0.25:
        size_px = easel.width * float(easel.rng.uniform(widths[0], widths[1] / 2))
        font = easel.lettering.choose_font(easel.rng)
        return emblem_shape(
            initials(easel), min(max(size_px, 8), easel.height / 2), font, easel.rng
        )
    return written(easel, easel.lettering.texts.warnings, widths, 0.2)


def _grid(easel: Easel, colour: Colour) -> None:
    """Either both diagonals, or a lattice of them with crosses where they meet."""
    line = (*colour, 255)
    width, height = easel.width, easel.height
    thick_px = max(round(min(width, height) * float(easel.rng.uniform(0.001, 0.005))), 1)
    draw = easel.draw
    if easel.rng.random() < 0.45:
        draw.line((0, 0, width, height), fill=line, width=thick_px)
        draw.line((0, height, width, 0), fill=line, width=thick_px)
        return
    step = max(round(min(width, height) * float(easel.rng.uniform(0.15, 0.4))), 10)
    steepness = float(easel.rng.choice([0.0, 0.5, 1.0]))
    reach = round(height * steepness)
    for x in range(-reach, width + reach, step):
        draw.line((x, 0, x + reach, height), fill=line, width=thick_px)
        draw.line((x, height, x + reach, 0), fill=line, width=thick_px)
    if steepness == 0.0:
        for y in range(step // 2, height, step):
            draw.line((0, y, width, y), fill=line, width=thick_px)
    arm = max(step // 12, 2)
    for x in range(0, width, step):
        for y in range(step // 2, height, step):
            draw.line((x - arm, y, x + arm, y), fill=line, width=thick_px + 1)
            draw.line((x, y - arm, x, y + arm), fill=line, width=thick_px + 1)


def _number(easel: Easel) -> None:
    """The picture's number and the agency's address, small, at a corner."""
    texts = easel.lettering.texts
    number = str(easel.rng.integers(10**6, 10**9))
    address = texts.fill(("www.{name}.com", "{name}.com"), easel.rng)
    wide = 0.22 * easel.width
    lines = [line_shape(line, wide, None, height_px=0.04 * easel.height) for line in
             (f"Image ID: {number}", address)]  # fmt: skip
    shape = stacked(lines, 2)
    easel.put(shape, [easel.corner(shape)])


def _strip(
    easel: Easel, top: int, thick_px: int, templates: tuple[str, ...], widths: Widths
) -> None:
    font = easel.lettering.choose_font(easel.rng)
    easel.text = easel.lettering.write(templates, font, easel.rng)
    wide_px = widths[1] * easel.width * float(easel.rng.uniform(0.4, 0.9))
    shape = line_shape(easel.text, wide_px, font, height_px=thick_px * 0.66)
    left = round((easel.width - shape.width) * float(easel.rng.choice([0.04, 0.5, 0.96])))
    place = (left, top + (thick_px - shape.height) // 2)
    easel.lay_ground((0, top, easel.width, min(top + thick_px, easel.height)), 0.8)
    easel.put(shape, [place])
    easel.width_px = float(easel.width)
