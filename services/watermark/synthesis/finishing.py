"""Turns a shape into a stamp: its colour, outline, shadow or relief."""

from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageChops, ImageFilter

from services.watermark.synthesis.ink import BLACK, WHITE, Colour, Finish, Ink

Shape = PillowImage.Image
"""Mode L: 255 inside of it, 0 outside."""
Stamp = PillowImage.Image
"""Mode RGBA, opaque where the shape is; how opaque a mark is, is told when it is laid over the photo."""


def finished(shape: Shape, ink: Ink) -> Stamp:
    """The shape in ink, with a margin of 2 edges on each side; an edge is 1/14 of its lesser side, 1 to 6 pixels."""
    edge = edge_of(shape)
    room = PillowImage.new("L", (shape.width + 4 * edge, shape.height + 4 * edge))
    room.paste(shape, (2 * edge, 2 * edge))
    if ink.finish is Finish.OUTLINED:
        return _layers((ink.contrast, _grown(room, edge)), (ink.colour, room))
    if ink.finish is Finish.HOLLOW:
        return _layers((ink.colour, ImageChops.subtract(_grown(room, edge), room)))
    if ink.finish is Finish.SHADOWED:
        shadow = _moved(room, edge).filter(ImageFilter.BoxBlur(edge / 2))
        return _layers((ink.contrast, _faded(shadow, 0.7)), (ink.colour, room))
    if ink.finish is Finish.EMBOSSED:
        lit, unlit = _moved(room, -edge), _moved(room, edge)
        light = ImageChops.subtract(lit, unlit)
        dark = ImageChops.subtract(unlit, lit)
        return _layers((WHITE, light), (BLACK, dark))
    if ink.finish is Finish.GRADIENT:
        room = _fading(room)
    if ink.finish is Finish.SCREENED:
        room = _screened(room, edge)
    return _layers((ink.colour, room))


def edge_of(shape: Shape) -> int:
    """How thick outlines, shadows and reliefs of a shape are, pixels."""
    return min(max(round(min(shape.size) / 14), 1), 6)


def _layers(*layers: tuple[Colour, Shape]) -> Stamp:
    (colour, shape), *rest = layers
    stamp = _coloured(colour, shape)
    for above in rest:
        stamp.alpha_composite(_coloured(*above))
    return stamp


def _coloured(colour: Colour, shape: Shape) -> Stamp:
    stamp = PillowImage.new("RGBA", shape.size, (*colour, 0))
    stamp.putalpha(shape)
    return stamp


def _grown(shape: Shape, edge: int) -> Shape:
    return shape.filter(ImageFilter.MaxFilter(2 * ((edge + 1) // 2) + 1))


def _moved(shape: Shape, edge: int) -> Shape:
    """There is a margin: nothing that is seen comes round the other side."""
    return ImageChops.offset(shape, edge, edge)


def _faded(shape: Shape, share: float) -> Shape:
    return shape.point([round(value * share) for value in range(256)])


def _fading(shape: Shape) -> Shape:
    """Whole at the top, a third at the bottom."""
    rows = np.linspace(255, 85, shape.height).astype(np.uint8)
    ramp = PillowImage.fromarray(np.repeat(rows[:, None], shape.width, axis=1))
    return ImageChops.multiply(shape, ramp)


def _screened(shape: Shape, edge: int) -> Shape:
    """Through a screen of dots or slanted lines, as in print; which of them hangs on the shape's size."""
    period = max(2 * edge, 3)
    down, across = np.mgrid[: shape.height, : shape.width]
    if shape.width % 2:
        open_ = (across + down) % period < (period + 1) // 2
    else:
        middle = (period - 1) / 2
        away = (across % period - middle) ** 2 + (down % period - middle) ** 2
        open_ = away <= (0.45 * period) ** 2
    screen = PillowImage.fromarray(np.where(open_, 255, 0).astype(np.uint8))
    return ImageChops.multiply(shape, screen)
