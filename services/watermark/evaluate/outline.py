"""Outlines: marks as curves that are turned, scaled and filled by Agg, not as text that is pasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path as Curve
from matplotlib.transforms import Affine2D, Bbox

# Units are pixels then.
_DPI = 72

Coverage = npt.NDArray[np.float32]
"""How much of each pixel is covered, (h, w) in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One curve of an outline; x to the right, y down.

    Attributes:
        curve: The curve.
        stroke: The width of the pen in the curve's units; 0 fills the curve.
        cut: Whether it is taken out of what the pieces before it cover.
    """

    curve: Curve
    stroke: float = 0.0
    cut: bool = False


Outline = tuple[Piece, ...]


def moved(outline: Outline, transform: Affine2D) -> Outline:
    """The outline under an affine map; pens grow with the area."""
    scale = float(np.sqrt(abs(np.linalg.det(transform.get_matrix()[:2, :2]))))
    return tuple(
        replace(piece, curve=transform.transform_path(piece.curve), stroke=piece.stroke * scale)
        for piece in outline
    )


def extents(outline: Outline) -> Bbox:
    """A box around the outline, half the pens included: around the points that steer its curves, which is close."""
    boxes = [_box(piece.curve).padded(piece.stroke / 2) for piece in outline]
    return Bbox.union(boxes)


def fitted(outline: Outline, *, width: float) -> Outline:
    """The outline with this width, its middle at the origin."""
    box = extents(outline)
    middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    factor = width / max(box.width, 1e-6)
    return moved(outline, Affine2D().translate(-middle[0], -middle[1]).scale(factor))


def stacked(outlines: Sequence[Outline], *, gap: float) -> Outline:
    """Outlines under one another, their middles on a line; `gap` is in shares of the first one's height."""
    pieces: list[Piece] = []
    top = 0.0
    space = gap * extents(outlines[0]).height
    for outline in outlines:
        box = extents(outline)
        shift = Affine2D().translate(-(box.x0 + box.x1) / 2, top - box.y0)
        pieces.extend(moved(outline, shift))
        top += box.height + space
    return tuple(pieces)


def coverage(outline: Outline, *, height_px: int, width_px: int) -> Coverage:
    """Fills the outline, antialiased."""
    covered = np.zeros((height_px, width_px), np.float32)
    start = 0
    while start < len(outline):
        end = start
        while end < len(outline) and outline[end].cut == outline[start].cut:
            end += 1
        layer = _filled(outline[start:end], height_px, width_px)
        covered = covered * (1 - layer) if outline[start].cut else np.maximum(covered, layer)
        start = end
    return covered


def _filled(pieces: Outline, height_px: int, width_px: int) -> Coverage:
    renderer: Any = RendererAgg(width_px, height_px, _DPI)  # type: ignore[no-untyped-call]
    # Agg's y goes up.
    upright = Affine2D().scale(1, -1).translate(0, height_px)
    for piece in pieces:
        context = renderer.new_gc()
        context.set_foreground((1.0, 1.0, 1.0, 1.0), isRGBA=True)
        context.set_linewidth(piece.stroke)
        context.set_capstyle("round")
        context.set_joinstyle("round")
        face = None if piece.stroke else (1.0, 1.0, 1.0, 1.0)
        renderer.draw_path(context, piece.curve, upright, face)
    alpha: npt.NDArray[np.uint8] = np.asarray(renderer.buffer_rgba())[..., 3]
    return alpha.astype(np.float32) / np.float32(255)


def _box(curve: Curve) -> Bbox:
    points = np.asarray(curve.vertices)
    # Where a curve closes its point means nothing.
    kept = points if curve.codes is None else points[np.asarray(curve.codes) != Curve.CLOSEPOLY]
    return Bbox([kept.min(axis=0), kept.max(axis=0)])
