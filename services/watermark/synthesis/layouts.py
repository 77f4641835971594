"""The kinds of mark that are text, logos and handwriting, by how they lie on the photo."""

from __future__ import annotations

import numpy as np

from services.watermark.synthesis.easel import Easel
from services.watermark.synthesis.emblem import emblem_shape
from services.watermark.synthesis.finishing import Shape
from services.watermark.synthesis.scribble import scribble_shape
from services.watermark.synthesis.words import beside, line_shape, stacked

Widths = tuple[float, float]
"""The least and the largest width of a mark / width of the photo."""

_LEAST_PX = 8.0
_SPACED_SHARE = 0.2
_UNDER_SHARE = 0.25
_BOXED_SHARE = 0.12


def chosen_width(easel: Easel, widths: Widths) -> float:
    """A width in pixels, small ones as often as large ones."""
    low, high = np.log(widths)
    return max(float(np.exp(easel.rng.uniform(low, high))) * easel.width, _LEAST_PX)


def signature(easel: Easel, widths: Widths) -> None:
    """A name or a handle in a corner."""
    texts = easel.lettering.texts
    shape = written(easel, texts.signatures, widths, 0.12, under=texts.trades)
    place = easel.corner(shape)
    if _box_under(easel, shape, place):
        easel.put(shape, [place])
        return
    tilted = easel.rng.random() < 0.15
    easel.put(shape, [place], turn=float(easel.rng.uniform(-12, 12)) if tilted else 0.0)


def address(easel: Easel, widths: Widths) -> None:
    """A URL in a corner or anywhere along the lower edge."""
    shape = written(easel, easel.lettering.texts.addresses, widths, 0.09)
    left, top = easel.corner(shape)
    if easel.rng.random() < 0.3:
        left = round(float(easel.rng.random()) * (easel.width - shape.width))
    _box_under(easel, shape, (left, top))
    easel.put(shape, [(left, top)])


def rights(easel: Easel, widths: Widths) -> None:
    """A small line that claims rights."""
    shape = written(easel, easel.lettering.texts.rights, widths, 0.05)
    easel.put(shape, [easel.corner(shape)])


def center(easel: Easel, widths: Widths) -> None:
    """Text in the middle, sometimes with an address under it."""
    texts = easel.lettering.texts
    shape = written(easel, texts.warnings, widths, 0.3, under=texts.addresses)
    across, down = easel.rng.uniform(0.35, 0.65, size=2)
    easel.put(shape, [easel.around(shape, across, down)])


def diagonal(easel: Easel, widths: Widths) -> None:
    """Text from corner to corner."""
    shape = written(easel, easel.lettering.texts.warnings, widths, 0.35)
    turn = float(easel.rng.uniform(15, 55)) * (1 if easel.rng.random() < 0.7 else -1)
    easel.put(shape, [easel.around(shape, 0.5, 0.5)], turn=turn)


def side(easel: Easel, widths: Widths) -> None:
    """Text that runs up or down one side."""
    templates = (*easel.lettering.texts.rights, *easel.lettering.texts.addresses)
    font = easel.lettering.choose_font(easel.rng)
    easel.text = easel.lettering.write(templates, font, easel.rng)
    long_px = float(easel.rng.uniform(0.2, 0.7)) * easel.height
    thick_px = min(chosen_width(easel, widths), widths[1] * easel.width)
    shape = line_shape(easel.text, long_px, font, height_px=thick_px)
    shape = shape.rotate(90 if easel.rng.random() < 0.6 else 270, expand=True)
    margin = round(0.01 * easel.width) + 1
    left = margin if easel.rng.random() < 0.4 else easel.width - margin - shape.width
    top = round(float(easel.rng.random()) * (easel.height - shape.height))
    easel.put(shape, [(left, top)])


def logo(easel: Easel, widths: Widths) -> None:
    """A logo in a corner, or anywhere."""
    shape = emblem_shape(
        initials(easel),
        min(chosen_width(easel, widths), 0.5 * easel.height),
        easel.lettering.choose_font(easel.rng),
        easel.rng,
    )
    easel.put(shape, [_somewhere(easel, shape)])


def brand(easel: Easel, widths: Widths) -> None:
    """A logo and a name beside or under it."""
    shape = _lockup(easel, widths)
    place = _somewhere(easel, shape)
    _box_under(easel, shape, place)
    easel.put(shape, [place])


def scribble(easel: Easel, widths: Widths) -> None:
    """A signature by hand."""
    width_px = min(chosen_width(easel, widths), easel.height * 0.6)
    shape = scribble_shape(width_px, easel.rng)
    easel.put(shape, [easel.corner(shape)], turn=float(easel.rng.uniform(0, 15)))


def written(
    easel: Easel,
    templates: tuple[str, ...],
    widths: Widths,
    high: float,
    *,
    under: tuple[str, ...] = (),
) -> Shape:
    """A line of text, at most `high` heights of the photo high; the easel remembers it.

    Capitals are spaced now and then. With `under`, there is sometimes a smaller line from those templates below it.
    """
    font = easel.lettering.choose_font(easel.rng)
    text = easel.lettering.write(templates, font, easel.rng)
    easel.text = text
    if text.isupper() and easel.rng.random() < _SPACED_SHARE:
        text = " ".join(text)
    width_px = chosen_width(easel, widths)
    shape = line_shape(text, width_px, font, height_px=high * easel.height)
    if not under or easel.rng.random() > _UNDER_SHARE:
        return shape
    second = easel.lettering.texts.fill(under, easel.rng)
    easel.text += f" {second}"
    below = line_shape(second, shape.width * 0.7, font, height_px=shape.height * 0.5)
    return stacked([shape, below], max(shape.height // 5, 1))


def initials(easel: Easel) -> str:
    """One to three capitals."""
    name = easel.lettering.texts.name(easel.rng)
    return name[: int(easel.rng.integers(1, 4))].upper()


def _lockup(easel: Easel, widths: Widths) -> Shape:
    name = written(easel, easel.lettering.texts.signatures, (widths[0], widths[1] * 0.75), 0.12)
    figure = emblem_shape(
        initials(easel),
        min(max(name.height * float(easel.rng.uniform(1.2, 2.4)), 8.0), widths[1] * easel.width),
        None,
        easel.rng,
    )
    if easel.rng.random() < 0.6:
        figure = figure.resize((min(figure.width, max(name.width // 3, 6)),) * 2)
        return beside(figure, name, max(name.height // 4, 1))
    return stacked([figure, name], max(name.height // 4, 1))


def _somewhere(easel: Easel, shape: Shape) -> tuple[int, int]:
    if easel.rng.random() < 0.6:
        return easel.corner(shape)
    across, down = easel.rng.uniform(0.2, 0.8, size=2)
    return easel.around(shape, across, down)


def _box_under(easel: Easel, shape: Shape, place: tuple[int, int]) -> bool:
    """Lays a box under the place now and then, as agencies do; returns whether it did."""
    if easel.rng.random() > _BOXED_SHARE:
        return False
    (left, top), pad = place, max(shape.height // 3, 2)
    edges = (left - pad, top - pad, left + shape.width + pad, top + shape.height + pad)
    sides = (easel.width, easel.height) * 2
    box = [min(max(edge, 0), side) for edge, side in zip(edges, sides, strict=True)]
    easel.lay_ground((box[0], box[1], box[2], box[3]), 0.6)
    easel.width_px = float(box[2] - box[0])
    return True
