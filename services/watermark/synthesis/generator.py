"""What draws marks: a photo in, the same photo with one mark of a kind out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.servicekit.image import Rgb

Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are just outside."""

VISIBLE_LEVELS = 10
"""A pixel is changed if one of its channels changed by at least this many of 255 levels."""


@dataclass(frozen=True, slots=True)
class MarkedPhoto:
    """A photo with a mark, or with a hard negative: something that looks like a mark and is none.

    Attributes:
        pixels: (h, w, 3) uint8, after blending.
        mask: (h, w) bool, where the mark changed the photo by `VISIBLE_LEVELS`; empty for a hard negative.
        kind: One of the generator's kinds.
        is_mark: False for a hard negative.
        opacity: Of the mark, 0..1.
        width_ratio: Width of the mark (of one of its copies if it is tiled) / width of the photo, 0..1.
        text: What is written in it; empty if nothing is.
    """

    pixels: Rgb
    mask: Mask
    kind: str
    is_mark: bool
    opacity: float
    width_ratio: float
    text: str = ""

    @property
    def box(self) -> Box | None:
        """The smallest box around the mask; None if the mask is empty."""
        return box_of(self.mask)


class MarkGenerator(Protocol):
    """Draws marks. The same photo, kind and state of `rng` give the same pixels in every process."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that it draws, hard negatives among them."""

    @property
    def hard_negatives(self) -> tuple[str, ...]:
        """Those of its kinds that are no marks."""

    def draw(self, photo: Rgb, kind: str, rng: np.random.Generator) -> MarkedPhoto:
        """Draws one mark of a kind on an (h, w, 3) uint8 photo of any size, which stays as it is."""


def changed(before: Rgb, after: Rgb, levels: int = VISIBLE_LEVELS) -> Mask:
    """Where two photos of one size differ by at least so many of 255 levels in a channel: (h, w) bool."""
    apart = (np.maximum(before, after) - np.minimum(before, after)) >= levels
    # Several times as fast as `any` over an axis of three.
    return np.asarray(apart[..., 0] | apart[..., 1] | apart[..., 2])


def box_of(mask: Mask) -> Box | None:
    """The smallest box around what is true in an (h, w) mask; None if nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
