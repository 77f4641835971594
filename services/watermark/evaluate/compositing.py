"""How ink comes onto a photo: in linear light, with soft edges, shadows and halftone dots."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageFilter

from services.servicekit.image import Rgb
from services.watermark.evaluate.outline import Coverage
from services.watermark.synthesis.generator import changed

_Light = npt.NDArray[np.float32]

# A mark of which less than this can be seen is drawn otherwise.
_VISIBLE_SHARE = 0.6
_SHADOW_MIN_PX = 1.5


@dataclass(frozen=True, slots=True)
class Ink:
    """How a mark is inked.

    Attributes:
        light: Its colour, (r, g, b) in linear light, 0..1.
        opacity: 0..1, where it covers a pixel whole.
        softness_px: The blur of its edges.
        shadow_px: How far a darker or lighter copy lies beside it; 0 for none.
    """

    light: tuple[float, float, float]
    opacity: float
    softness_px: float = 0.0
    shadow_px: float = 0.0


def choose_ink(opacity: float, scale_px: float, rng: np.random.Generator) -> Ink:
    """White, black, grey or tinted; edges and shadow as suits a photo of `scale_px` on its longer side."""
    pick = rng.random()
    if pick < 0.5:
        light = (1.0, 1.0, 1.0)
    elif pick < 0.7:
        light = (0.0, 0.0, 0.0)
    else:
        red, green, blue = rng.random(3) if pick > 0.85 else np.repeat(rng.uniform(0.3, 0.9), 3)
        light = (float(red), float(green), float(blue))
    softness = float(rng.uniform(0, 0.0016) * scale_px) if rng.random() < 0.4 else 0.0
    shadow = float(rng.uniform(0.001, 0.004) * scale_px) if rng.random() < 0.25 else 0.0
    return Ink(light, opacity, softness, shadow)


def inked(photo: Rgb, covered: Coverage, ink: Ink) -> Rgb:
    """The photo with the mark on it: in the ink, in its opposite, or in both, until enough of it can be seen.

    Where none of the three shows enough, the one that shows most.
    """
    red, green, blue = ink.light
    opposite = replace(ink, light=(1 - red, 1 - green, 1 - blue))
    shadowed = replace(ink, shadow_px=max(ink.shadow_px, _SHADOW_MIN_PX))
    enough = _VISIBLE_SHARE * float(covered.sum())
    best, most = photo, -1
    for tried in (ink, opposite, shadowed):
        drawn = _blended(photo, covered, tried)
        seen = int(changed(photo, drawn).sum())
        if seen > most:
            best, most = drawn, seen
        if seen >= enough:
            break
    return best


def halftoned(covered: Coverage, cell_px: float, angle: float) -> Coverage:
    """Only what of the coverage lies under a lattice of dots, one every `cell_px` pixels."""
    y, x = np.indices(covered.shape, dtype=np.float32)
    along = (x * np.cos(angle) + y * np.sin(angle)) * (np.pi / cell_px)
    across = (y * np.cos(angle) - x * np.sin(angle)) * (np.pi / cell_px)
    dots = np.clip(4 * (np.abs(np.sin(along) * np.sin(across)) - 0.15), 0, 1)
    halftone: Coverage = (covered * dots).astype(np.float32)
    return halftone


def _blended(photo: Rgb, covered: Coverage, ink: Ink) -> Rgb:
    light = _to_light(photo)
    if ink.shadow_px:
        shift = max(1, round(ink.shadow_px))
        shadow = np.roll(covered, (shift, shift), axis=(0, 1))
        shadow[:shift], shadow[:, :shift] = 0, 0
        dark = 1.0 if sum(ink.light) < 1.5 else 0.0
        light = _over(light, _softened(shadow, shift / 2) * ink.opacity * 0.6, (dark,) * 3)
    light = _over(light, _softened(covered, ink.softness_px) * ink.opacity, ink.light)
    return _to_levels(light)


def _over(light: _Light, alpha: Coverage, colour: tuple[float, ...]) -> _Light:
    blended: _Light = light + alpha[..., None] * (np.asarray(colour, np.float32) - light)
    return blended


def _softened(covered: Coverage, radius_px: float) -> Coverage:
    if radius_px < 0.3:
        return covered
    levels = PillowImage.fromarray(np.round(covered * 255).astype(np.uint8))
    blurred = levels.filter(ImageFilter.GaussianBlur(radius_px))
    return np.asarray(blurred).astype(np.float32) / np.float32(255)


def _to_light(photo: Rgb) -> _Light:
    """Levels of sRGB to linear light (IEC 61966-2-1)."""
    levels = np.arange(256, dtype=np.float32) / 255
    table = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)[photo]


def _to_levels(light: _Light) -> Rgb:
    curved = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    levels = np.where(light <= 0.0031308, light * 12.92, curved)
    return np.round(np.clip(levels, 0, 1) * 255).astype(np.uint8)
