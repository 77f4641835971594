"""What a mark is drawn with: colour, finish and blend mode, chosen with or against what is under it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from services.watermark.synthesis.blending import Blend

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

_AGAINST_SHARE = 0.75
_LIGHT_BLENDS = (Blend.SCREEN, Blend.OVERLAY, Blend.SOFT_LIGHT, Blend.DIFFERENCE)
_DARK_BLENDS = (Blend.MULTIPLY, Blend.OVERLAY, Blend.SOFT_LIGHT)


class Finish(StrEnum):
    """How a mark stands out from the photo."""

    PLAIN = "plain"
    OUTLINED = "outlined"
    HOLLOW = "hollow"
    SHADOWED = "shadowed"
    EMBOSSED = "embossed"
    GRADIENT = "gradient"
    SCREENED = "screened"


_FINISHES = {
    Finish.PLAIN: 0.36,
    Finish.OUTLINED: 0.12,
    Finish.HOLLOW: 0.1,
    Finish.SHADOWED: 0.17,
    Finish.EMBOSSED: 0.12,
    Finish.GRADIENT: 0.07,
    Finish.SCREENED: 0.06,
}


@dataclass(frozen=True, slots=True)
class Ink:
    """What a mark is drawn with.

    Attributes:
        colour: Red, green, blue.
        finish: How it stands out.
        blend: How it is laid over the photo.
    """

    colour: Colour
    finish: Finish
    blend: Blend

    @property
    def contrast(self) -> Colour:
        """Black for a light colour, white for a dark one: of outlines and shadows."""
        return BLACK if sum(self.colour) > 380 else WHITE


def choose_ink(rng: np.random.Generator, level: float) -> Ink:
    """An ink for a place of this mean grey level (0..255): mostly against it, mostly white or black, mostly normal."""
    finish = Finish(str(rng.choice(list(_FINISHES), p=list(_FINISHES.values()))))
    against = rng.random() < _AGAINST_SHARE
    # Most marks are white even where black would be seen better.
    light = (level < 165) == against
    colour = _colour(rng, light=light)
    blend = Blend.NORMAL
    if rng.random() < 0.3 and finish in (Finish.PLAIN, Finish.HOLLOW, Finish.GRADIENT):
        blends = _LIGHT_BLENDS if light else _DARK_BLENDS
        blend = blends[int(rng.integers(len(blends)))]
    return Ink(colour, finish, blend)


def visible_ink(level: float, finish: Finish = Finish.PLAIN) -> Ink:
    """The ink that is seen best on this grey level."""
    return Ink(WHITE if level < 128 else BLACK, finish, Blend.NORMAL)


def _colour(rng: np.random.Generator, *, light: bool) -> Colour:
    pick = rng.random()
    if pick < 0.68:
        return WHITE if light else BLACK
    if pick < 0.82:
        grey = int(rng.integers(170, 250) if light else rng.integers(10, 90))
        return (grey, grey, grey)
    low, high = (90, 256) if light else (0, 170)
    red, green, blue = (int(value) for value in rng.integers(low, high, size=3))
    strongest = int(rng.integers(3))
    vivid = [red, green, blue]
    vivid[strongest] = 255 if light else vivid[strongest]
    vivid[(strongest + 1) % 3] //= 2
    return (vivid[0], vivid[1], vivid[2])
