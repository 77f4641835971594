"""Hard negatives that cameras and viewers leave: date stamps, borders, black edges."""

from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter

from services.servicekit.image import Rgb
from services.watermark.synthesis.blending import Blend, lay_over
from services.watermark.synthesis.easel import easel_for
from services.watermark.synthesis.finishing import Shape
from services.watermark.synthesis.ink import BLACK, WHITE, Colour
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.words import line_shape

Added = tuple[Rgb, str]
"""The photo with what was added, (h, w, 3) uint8, and what is written in it."""

# Seven segments: from left top to right bottom in a cell one wide and two high.
_SEGMENTS = {
    "a": (0, 0, 1, 0), "b": (1, 0, 1, 1), "c": (1, 1, 1, 2), "d": (0, 2, 1, 2),
    "e": (0, 1, 0, 2), "f": (0, 0, 0, 1), "g": (0, 1, 1, 1),
}  # fmt: skip
_DIGITS = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
_GLOWS: tuple[Colour, ...] = ((255, 140, 20), (255, 110, 30), (255, 70, 40), (255, 190, 60))
_DATES = (
    "'{y} {m:2d} {d:2d}", "{d:2d} {m:2d} '{y}", "{m:2d}/{d:2d}/20{y}", "20{y}/{m:02d}/{d:02d}",
    "{d:02d}.{m:02d}.20{y}", "20{y}/{m:02d}/{d:02d} {h:02d}:{s:02d}", "{h:02d}:{s:02d}",
    "20{y}.{m:02d}.{d:02d}",
)  # fmt: skip


def add_date_stamp(photo: Rgb, lettering: Lettering, rng: np.random.Generator) -> Added:
    """The date in glowing digits in a lower corner, as cameras burn it in."""
    easel = easel_for(photo, lettering, rng)
    text = _date(rng)
    width_px = max(float(rng.uniform(0.12, 0.32)) * easel.width, 12.0)
    if rng.random() < 0.7:
        shape = _seven_segments(text, width_px)
    else:
        shape = line_shape(text, width_px, lettering.choose_font(rng))
    margin = round(float(rng.uniform(0.03, 0.08)) * easel.width)
    right, bottom = easel.width - margin - shape.width, easel.height - margin - shape.height
    left = right if rng.random() < 0.8 else margin
    top = bottom if rng.random() < 0.9 else margin
    colour = _GLOWS[int(rng.integers(len(_GLOWS)))]
    glow = PillowImage.new("L", (shape.width + 16, shape.height + 16))
    glow.paste(shape, (8, 8))
    halo = glow.filter(ImageFilter.GaussianBlur(max(shape.height / 12, 0.6)))
    for layer in (halo, glow):
        stamp = PillowImage.new("RGBA", layer.size, (*colour, 0))
        stamp.putalpha(layer)
        easel.paste(stamp, (left - 8, top - 8))
    blend = Blend.SCREEN if rng.random() < 0.5 else Blend.NORMAL
    return lay_over(photo, easel.overlay, float(rng.uniform(0.75, 1.0)), blend), text


def add_border(photo: Rgb, lettering: Lettering, rng: np.random.Generator) -> Added:
    """A frame in one colour, a print's wide lower edge, rounded corners, or the edge of a film."""
    del lettering
    image = PillowImage.fromarray(photo)
    colour = BLACK if rng.random() < 0.4 else WHITE
    thick_px = max(round(min(image.size) * float(rng.uniform(0.01, 0.07))), 1)
    pick = rng.random()
    if pick < 0.2:
        _round_corners(image, colour, thick_px * 2)
    elif pick < 0.4:
        _film(image, max(thick_px * 2, 6))
    else:
        is_print = pick < 0.55
        _frame(image, colour, thick_px, below_px=thick_px * (4 if is_print else 1))
        if not is_print and rng.random() < 0.4:
            _inner_line(image, WHITE if colour == BLACK else BLACK, thick_px)
    return np.asarray(image), ""


def add_letterbox(photo: Rgb, lettering: Lettering, rng: np.random.Generator) -> Added:
    """Black or blurred edges above and below, or at both sides."""
    del lettering
    height_px, width_px = photo.shape[:2]
    boxed = photo.copy()
    lying = rng.random() < 0.7
    side_px = height_px if lying else width_px
    thick_px = max(round(side_px * float(rng.uniform(0.04, 0.16))), 1)
    view = boxed if lying else boxed.swapaxes(0, 1)
    filling = BLACK if rng.random() < 0.85 else WHITE
    view[:thick_px] = filling
    view[-thick_px:] = filling
    return boxed, ""


def _date(rng: np.random.Generator) -> str:
    template = _DATES[int(rng.integers(len(_DATES)))]
    year = f"{int(rng.integers(0, 25)):02d}"
    month, day, hour, minute = (int(rng.integers(1, most)) for most in (13, 29, 24, 60))
    return template.format(y=year, m=month, d=day, h=hour, s=minute)


def _seven_segments(text: str, width_px: float) -> Shape:
    cell = max(width_px / (1.55 * len(text)), 2.0)
    thick = max(round(cell / 4), 1)
    shape = PillowImage.new("L", (round(1.55 * cell * len(text)) + thick, round(2 * cell) + 2))
    draw = ImageDraw.Draw(shape)
    for index, character in enumerate(text):
        left = 1 + index * 1.55 * cell
        if character.isdigit():
            for segment in _DIGITS[int(character)]:
                x, y, to_x, to_y = _SEGMENTS[segment]
                points = (left + x * cell, y * cell, left + to_x * cell, to_y * cell)
                draw.line(points, fill=255, width=thick)
        elif character == "'":
            draw.line((left + cell, 0, left + 0.8 * cell, 0.6 * cell), fill=255, width=thick)
        elif character == "/":
            draw.line((left, 2 * cell, left + cell, 0), fill=255, width=thick)
        elif character in ".:":
            dot = left + 0.4 * cell
            for down in (1.8,) if character == "." else (0.6, 1.4):
                box = (dot, down * cell, dot + thick, down * cell + thick)
                draw.rectangle(box, fill=255)
    return shape


def _frame(image: PillowImage.Image, colour: Colour, thick_px: int, *, below_px: int) -> None:
    width, height = image.size
    for box in (
        (0, 0, width, thick_px),
        (0, max(height - below_px, 0), width, height),
        (0, 0, thick_px, height),
        (max(width - thick_px, 0), 0, width, height),
    ):
        image.paste(colour, box)


def _inner_line(image: PillowImage.Image, colour: Colour, thick_px: int) -> None:
    inside = round(thick_px * 1.4)
    box = (inside, inside, image.width - inside - 1, image.height - inside - 1)
    if box[2] > box[0] and box[3] > box[1]:
        ImageDraw.Draw(image).rectangle(box, outline=colour, width=max(thick_px // 8, 1))


def _round_corners(image: PillowImage.Image, colour: Colour, radius_px: int) -> None:
    inside = PillowImage.new("L", image.size)
    box = (0, 0, image.width - 1, image.height - 1)
    ImageDraw.Draw(inside).rounded_rectangle(box, min(radius_px, min(image.size) // 2), fill=255)
    image.paste(colour, mask=inside.point([255 - value for value in range(256)]))


def _film(image: PillowImage.Image, thick_px: int) -> None:
    """Black edges with a row of holes in each."""
    draw = ImageDraw.Draw(image)
    hole = thick_px / 2
    for top in (0, image.height - thick_px):
        draw.rectangle((0, top, image.width, top + thick_px), fill=BLACK)
        for index in range(int(image.width / (hole * 1.8)) + 1):
            left = index * hole * 1.8
            box = (left, top + hole / 2, left + hole, top + hole * 1.4)
            draw.rounded_rectangle(box, hole / 5, fill=(235, 235, 230))
