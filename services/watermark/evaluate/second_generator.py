"""A second generator of marks, written apart from the first one, for hold-outs: nothing is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.servicekit.image import Rgb
from services.watermark.evaluate import hard_negatives, layouts
from services.watermark.evaluate.compositing import choose_ink, halftoned, inked
from services.watermark.evaluate.hard_negatives import HardNegative
from services.watermark.evaluate.layouts import Canvas, Layout, LayoutRule
from services.watermark.evaluate.outline import coverage
from services.watermark.evaluate.wording import Font, bundled_fonts
from services.watermark.synthesis.generator import MarkedPhoto, changed

OPACITIES: Final = (0.15, 0.9)

_LAYOUTS: Final[dict[str, LayoutRule]] = {
    "tiled": layouts.tiled,
    "diagonal": layouts.diagonal,
    "corner": layouts.corner,
    "copyright-line": layouts.copyright_line,
    "logo": layouts.logo,
    "centre": layouts.centre,
    "badge": layouts.badge,
    "handle": layouts.handle,
    "signature": layouts.signature,
    "halftone": layouts.screened,
}
_HARD_NEGATIVES: Final[dict[str, HardNegative]] = {
    "date-stamp": hard_negatives.date_stamp,
    "frame": hard_negatives.frame,
    "scene-sign": hard_negatives.scene_sign,
}


class SecondGenerator:
    """Draws outlines in linear light. A `MarkGenerator`.

    Attributes:
        families: The font families that it writes in.
    """

    def __init__(self, fonts: Sequence[Font] = ()) -> None:
        """Writes in these fonts; without any in those inside matplotlib."""
        self._fonts = tuple(fonts) or bundled_fonts()
        self.families = frozenset(font.family for font in self._fonts)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that it draws, hard negatives among them."""
        return (*_LAYOUTS, *_HARD_NEGATIVES)

    @property
    def hard_negatives(self) -> tuple[str, ...]:
        """Those of its kinds that are no marks."""
        return tuple(_HARD_NEGATIVES)

    def draw(self, photo: Rgb, kind: str, rng: np.random.Generator) -> MarkedPhoto:
        """Draws one mark of a kind on an (h, w, 3) uint8 photo of any size, which stays as it is."""
        height_px, width_px = photo.shape[:2]
        canvas = Canvas(width_px, height_px, self._fonts)
        if kind in _HARD_NEGATIVES:
            pixels, text = _HARD_NEGATIVES[kind](photo, canvas, rng)
            nothing = np.zeros((height_px, width_px), dtype=bool)
            return MarkedPhoto(pixels, nothing, kind, False, 0.0, 0.0, text)
        return _marked(photo, kind, _LAYOUTS[kind](canvas, rng), rng)


def _marked(photo: Rgb, kind: str, layout: Layout, rng: np.random.Generator) -> MarkedPhoto:
    height_px, width_px = photo.shape[:2]
    covered = coverage(layout.outline, height_px=height_px, width_px=width_px)
    longer = max(height_px, width_px)
    if kind == "halftone":
        cell_px = max(2.5, longer * float(rng.uniform(0.004, 0.01)))
        covered = halftoned(covered, cell_px, float(rng.uniform(0, np.pi / 2)))
    opacity = float(rng.uniform(*OPACITIES))
    pixels = inked(photo, covered, choose_ink(opacity, longer, rng))
    mask = changed(photo, pixels)
    return MarkedPhoto(pixels, mask, kind, True, opacity, layout.width_ratio, layout.text)
