"""The kinds of mark that are text in a figure: framed and round stamps, and plates that letters are cut out of."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from services.watermark.synthesis.easel import Easel
from services.watermark.synthesis.emblem import emblem_shape
from services.watermark.synthesis.finishing import Shape
from services.watermark.synthesis.layouts import Widths, chosen_width, initials, written
from services.watermark.synthesis.lettering import Font, load_font

_SEAL_PX = 360
_LETTERS_PX = 40
_SEAL_SHARE = 0.35
_MIDDLE_SHARE = 0.5


def stamp(easel: Easel, widths: Widths) -> None:
    """Text in a frame, or around a seal; in the middle or in a corner, often askew."""
    if easel.rng.random() < _SEAL_SHARE:
        shape = _seal_of(easel, widths)
    else:
        templates = (*easel.lettering.texts.warnings, *easel.lettering.texts.signatures)
        shape = framed(written(easel, templates, widths, 0.2), easel.rng)
    askew = easel.rng.random() < 0.5
    turn = float(easel.rng.uniform(-35, 35)) if askew else 0.0
    shape = _no_wider(shape, widths[1] * easel.width * (0.8 if askew else 1.0))
    if easel.rng.random() < _MIDDLE_SHARE:
        across, down = easel.rng.uniform(0.3, 0.7, size=2)
        easel.put(shape, [easel.around(shape, across, down)], turn=turn)
    else:
        easel.put(shape, [easel.corner(shape)], turn=turn / 3)


def plate(easel: Easel, widths: Widths) -> None:
    """A filled figure with the letters cut out of it, in a corner: the photo is seen through them."""
    texts = easel.lettering.texts
    words = written(easel, (*texts.signatures, *texts.addresses), widths, 0.1)
    shape = _no_wider(cut_out(words, easel.rng), widths[1] * easel.width)
    easel.put(shape, [easel.corner(shape)])


def framed(words: Shape, rng: np.random.Generator) -> Shape:
    """Words with a frame around them: sharp, rounded or double."""
    across, down = (round(words.height * float(rng.uniform(0.25, 0.8))) + 2 for _ in range(2))
    line_px = max(round(words.height * float(rng.uniform(0.04, 0.16))), 1)
    whole = PillowImage.new("L", (words.width + 2 * across, words.height + 2 * down))
    whole.paste(words, (across, down))
    draw = ImageDraw.Draw(whole)
    radius = words.height * float(rng.choice([0.0, 0.0, 0.3, 0.8]))
    edges = (whole.width - 1, whole.height - 1)
    draw.rounded_rectangle((0, 0, *edges), radius, outline=255, width=line_px)
    inset = 2 * line_px + 1
    if rng.random() < 0.3 and 2 * inset < min(across, down):
        inner = (inset, inset, edges[0] - inset, edges[1] - inset)
        draw.rounded_rectangle(inner, radius, outline=255, width=max(line_px // 2, 1))
    return whole


def cut_out(words: Shape, rng: np.random.Generator) -> Shape:
    """A filled box, pill or ribbon without the words."""
    across, down = (round(words.height * float(rng.uniform(0.3, 0.9))) + 2 for _ in range(2))
    width, height = words.width + 2 * across, words.height + 2 * down
    whole = PillowImage.new("L", (width, height))
    draw = ImageDraw.Draw(whole)
    radius = height * float(rng.choice([0.0, 0.15, 0.5]))
    if rng.random() < 0.3:
        notch = min(across, height // 2)
        ends = [(0, 0), (width, 0), (width - notch, height / 2), (width, height), (0, height)]
        draw.polygon([*ends, (notch, height / 2)], fill=255)
    else:
        draw.rounded_rectangle((0, 0, width - 1, height - 1), radius, fill=255)
    whole.paste(0, (across, down), words)
    return whole


def seal_shape(
    text: str, figure: Shape, width_px: float, font: Path | None, rng: np.random.Generator
) -> Shape:
    """A ring `width_px` wide with the text along its inside, and a figure in its middle."""
    whole = PillowImage.new("L", (_SEAL_PX, _SEAL_PX))
    draw = ImageDraw.Draw(whole)
    line_px = int(rng.integers(4, 12))
    draw.ellipse((2, 2, _SEAL_PX - 3, _SEAL_PX - 3), outline=255, width=line_px)
    if rng.random() < 0.6:
        inset = _LETTERS_PX + 3 * line_px + 4
        draw.ellipse((inset,) * 2 + (_SEAL_PX - inset,) * 2, outline=255, width=line_px)
    _write_around(whole, text, load_font(font, _LETTERS_PX), float(rng.uniform(0, 360)))
    side = _SEAL_PX // 3
    whole.paste(figure.resize((side, side)), ((_SEAL_PX - side) // 2,) * 2)
    side = max(round(width_px), 8)
    return whole.resize((side, side), PillowImage.Resampling.LANCZOS)


def _no_wider(shape: Shape, width_px: float) -> Shape:
    scale = width_px / shape.width
    if scale >= 1:
        return shape
    return shape.resize((max(round(width_px), 3), max(round(shape.height * scale), 3)))


def _seal_of(easel: Easel, widths: Widths) -> Shape:
    font = easel.lettering.choose_font(easel.rng)
    text = easel.lettering.write(easel.lettering.texts.signatures, font, easel.rng)
    figure = emblem_shape(initials(easel), _SEAL_PX / 3, font, easel.rng)
    width_px = min(chosen_width(easel, widths), 0.7 * easel.height)
    easel.text = text
    return seal_shape(text, figure, width_px, font, easel.rng)


def _write_around(whole: Shape, text: str, face: Font, start: float) -> None:
    """Letter by letter clockwise, each upright on the ring; as often as the text fits."""
    radius = _SEAL_PX / 2 - _LETTERS_PX / 2 - 16
    room = 2 * math.pi * radius
    letters = f"{text} • "[: round(room / (_LETTERS_PX * 0.55))]
    letters *= max(int(room // (len(letters) * _LETTERS_PX * 0.6)), 1)
    step = 360 / len(letters)
    for index, letter in enumerate(letters):
        angle = start + index * step
        tile = PillowImage.new("L", (2 * _LETTERS_PX,) * 2)
        ImageDraw.Draw(tile).text((_LETTERS_PX,) * 2, letter, font=face, fill=255, anchor="mm")
        tile = tile.rotate(-angle - 90, PillowImage.Resampling.BICUBIC)
        x = _SEAL_PX / 2 + radius * math.cos(math.radians(angle)) - _LETTERS_PX
        y = _SEAL_PX / 2 + radius * math.sin(math.radians(angle)) - _LETTERS_PX
        whole.paste(255, (round(x), round(y)), tile)
