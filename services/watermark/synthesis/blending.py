"""Lays an overlay over a photo, in the blend modes that image editors have.

Formulas: W3C, Compositing and Blending Level 1, section 10; soft light in its form without a square root (Pegtop).
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from services.servicekit.image import Rgb

Values = npt.NDArray[np.float32]

_UNIT = np.float32(1 / 255)


class Blend(StrEnum):
    """How the colours of mark and photo become one."""

    NORMAL = "normal"
    SCREEN = "screen"
    MULTIPLY = "multiply"
    OVERLAY = "overlay"
    SOFT_LIGHT = "soft_light"
    DIFFERENCE = "difference"


def lay_over(photo: Rgb, overlay: PillowImage.Image, opacity: float, blend: Blend) -> Rgb:
    """The photo (h, w, 3) under an RGBA overlay of its size; the overlay's alpha is multiplied by `opacity` (0..1)."""
    # Most of an overlay is empty: only what is not is computed.
    over = np.asarray(overlay).reshape(-1, 4)
    places = np.flatnonzero(over[:, 3])
    over = over[places]
    covered = photo.reshape(-1, 3).copy()
    under = covered[places].astype(np.float32) * _UNIT
    colour = over[:, :3].astype(np.float32) * _UNIT
    alpha = over[:, 3:].astype(np.float32) * np.float32(opacity / 255)
    mixed = under + alpha * (_mixed(under, colour, blend) - under)
    covered[places] = (mixed * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return covered.reshape(photo.shape)


def _mixed(under: Values, colour: Values, blend: Blend) -> Values:
    if blend is Blend.SCREEN:
        return under + colour - under * colour
    if blend is Blend.MULTIPLY:
        return under * colour
    if blend is Blend.OVERLAY:
        dark = 2 * under * colour
        return np.where(under < 0.5, dark, 2 * (under + colour) - dark - 1)
    if blend is Blend.SOFT_LIGHT:
        return (1 - 2 * colour) * under * under + 2 * colour * under
    return np.abs(under - colour) if blend is Blend.DIFFERENCE else colour
