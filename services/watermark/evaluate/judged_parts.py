"""The four parts of an image that a detector judges one by one: where they are, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.servicekit.resize import InputShape
from services.watermark.detector_folder import QUADRANTS


@dataclass(frozen=True, slots=True)
class JudgedParts:
    """Four parts of one size, in the order of `quadrant_probabilities`: row by row.

    Attributes:
        columns: How many are side by side: 2, 4 or 1.
        names: What a person calls them.
    """

    columns: int
    names: tuple[str, str, str, str]


_GRID: Final = JudgedParts(2, QUADRANTS)
_ACROSS: Final = JudgedParts(4, ("left", "middle-left", "middle-right", "right"))
_DOWN: Final = JudgedParts(1, ("top", "middle-top", "middle-bottom", "bottom"))


def parts_of(width_px: int, height_px: int, shape: InputShape) -> JudgedParts:
    """The quadrants of an image of this size; of a panorama its quarters, along its long side."""
    if not shape.cuts(width_px, height_px):
        return _GRID
    return _ACROSS if width_px > height_px else _DOWN
