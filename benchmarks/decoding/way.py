"""What every way from a JPEG to a network's input has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.servicekit.image import Rgb

InputOf = Callable[[bytes, int], Rgb]
"""A baseline or progressive JPEG in RGB, upright as it is, and a side of the input in pixels → (side, side, 3)."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way from a JPEG to a network's input, squashed to a square.

    Attributes:
        name: What it does.
        input_of: Does it.
    """

    name: str
    input_of: InputOf
