"""A hard negative: text that belongs to the scene, on a sign or painted on a surface, in its perspective and light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter

from services.servicekit.image import Rgb
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.words import line_shape

Quad = npt.NDArray[np.float64]
"""(4, 2) corners in pixels: top left, top right, bottom right, bottom left."""
_Values = npt.NDArray[np.float32]

_GROUNDS = (
    (245, 245, 240), (20, 60, 130), (170, 25, 30), (20, 100, 60), (240, 200, 40), (40, 40, 42),
    (120, 80, 50), (230, 120, 40),
)  # fmt: skip
_SPOTS = 12
_ROUGH_LEVELS = 9.0


def add_scene_text(photo: Rgb, lettering: Lettering, rng: np.random.Generator) -> tuple[Rgb, str]:
    """Paints a sign or lettering on a calm part of the photo; also returns what it says."""
    height_px, width_px = photo.shape[:2]
    font = lettering.choose_font(rng)
    text = lettering.write(lettering.texts.scene, font, rng)
    long_px = max(float(rng.uniform(0.12, 0.4)) * width_px, 12.0)
    most_px = (long_px, height_px * 0.35)
    spot, contrast = _calm_spot(photo, (round(long_px), round(long_px / 3)), rng)
    # Letters on a flat sky would be a mark, not part of the scene.
    painted_on = contrast > _ROUGH_LEVELS and rng.random() < 0.35
    face = _board(text, font, most_px, rng, painted=painted_on)
    quad = _quad(face.size, spot, rng)
    left, top = (max(int(value) - 2, 0) for value in quad.min(axis=0))
    right, bottom = (int(value) + 3 for value in quad.max(axis=0))
    right, bottom = min(right, width_px), min(bottom, height_px)
    if right - left < 4 or bottom - top < 4:
        return photo.copy(), ""
    warped = _warped(face, quad - (left, top), (right - left, bottom - top))
    painted = photo.copy()
    under = painted[top:bottom, left:right]
    painted[top:bottom, left:right] = _lit(under, warped, rng)
    return painted, text


def _board(
    text: str,
    font: Path | None,
    size_px: tuple[float, float],
    rng: np.random.Generator,
    *,
    painted: bool,
) -> PillowImage.Image:
    """The sign, or letters painted on the surface, from the front: mode RGBA, at most `size_px` wide and high."""
    letters = line_shape(text, size_px[0] * 0.8, font, height_px=size_px[1] * 0.6)
    pad = max(round(letters.height * float(rng.uniform(0.25, 0.7))), 2)
    size = (letters.width + 2 * pad, letters.height + 2 * pad)
    ground = _GROUNDS[int(rng.integers(len(_GROUNDS)))]
    light = sum(ground) > 380
    ink = (20, 20, 24) if light else (240, 238, 230)
    if painted:
        board = PillowImage.new("RGBA", size, (*ground, 0))
        board.paste((*ground, 255), (pad, pad), letters)
        return board
    board = PillowImage.new("RGBA", size, (*ground, 0))
    draw = ImageDraw.Draw(board)
    box, radius = (0, 0, size[0] - 1, size[1] - 1), float(rng.uniform(0, pad))
    draw.rounded_rectangle(box, radius, fill=(*ground, 255))
    if rng.random() < 0.5:
        line = max(pad // 6, 1)
        inner = (2 * line, 2 * line, size[0] - 1 - 2 * line, size[1] - 1 - 2 * line)
        draw.rounded_rectangle(inner, radius, outline=(*ink, 255), width=line)
    board.paste((*ink, 255), (pad, pad), letters)
    return board


def _calm_spot(
    photo: Rgb, size: tuple[int, int], rng: np.random.Generator
) -> tuple[tuple[float, float], float]:
    """Of a few places the one with the least contrast: left and top in pixels, and its contrast in levels."""
    height_px, width_px = photo.shape[:2]
    room = (max(width_px - size[0], 1), max(height_px - size[1], 1))
    spots = rng.random((_SPOTS, 2)) * room
    contrasts = [
        float(photo[int(y) : int(y) + size[1] : 4, int(x) : int(x) + size[0] : 4, 1].std())
        for x, y in spots
    ]
    calmest = int(np.argmin(contrasts))
    x, y = spots[calmest]
    return (float(x), float(y)), contrasts[calmest]


def _quad(size: tuple[int, int], spot: tuple[float, float], rng: np.random.Generator) -> Quad:
    """The sign's corners as seen from a little aside: turned, and one of its sides further away."""
    width, height = size
    quad = np.asarray([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    far = float(rng.uniform(0.0, 0.3)) * height / 2
    shorter = slice(1, 3) if rng.random() < 0.5 else slice(0, 4, 3)
    quad[shorter, 1] += (far, -far)
    quad[:, 0] = (quad[:, 0] - width / 2) * float(rng.uniform(0.7, 1.0)) + width / 2
    lean = float(rng.uniform(-0.15, 0.15))
    quad[:, 1] += (quad[:, 0] - width / 2) * lean
    quad[:, 0] += (quad[:, 1] - height / 2) * float(rng.uniform(-0.1, 0.1))
    return quad + spot


def _warped(face: PillowImage.Image, quad: Quad, size: tuple[int, int]) -> _Values:
    """The face with its corners at `quad`: (height, width, 4) float32, 0..1."""
    width, height = face.size
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    rows, results = [], []
    for (x, y), (u, v) in zip(quad, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        results += [u, v]
    coefficients = np.linalg.solve(np.asarray(rows), np.asarray(results, dtype=np.float64))
    warped = face.transform(
        size, PillowImage.Transform.PERSPECTIVE, coefficients.tolist(),
        PillowImage.Resampling.BICUBIC,
    )  # fmt: skip
    blurred = warped.filter(ImageFilter.GaussianBlur(0.6))
    return np.asarray(blurred, dtype=np.float32) * np.float32(1 / 255)


def _lit(under: Rgb, face: _Values, rng: np.random.Generator) -> Rgb:
    """The face in the light of what is under it: its shades, its texture, some of its colour."""
    surface = under.astype(np.float32) / 255
    radius = max(min(under.shape[:2]) / 6, 2.0)
    smooth_rgb = PillowImage.fromarray(under).filter(ImageFilter.BoxBlur(radius))
    smooth = np.asarray(smooth_rgb, dtype=np.float32) / 255
    light = smooth.mean(axis=2, keepdims=True)
    shade = light / max(float(light.mean()), 0.05)
    brightness = 0.45 + 0.6 * float(light.mean())
    # A sign hides what is behind it: of a lively ground little may shine through.
    texture = (surface - smooth).clip(-0.09, 0.09) * float(rng.uniform(0.35, 0.9))
    colour = face[..., :3] * shade.clip(0.5, 1.5) * brightness + texture
    mixed = surface + face[..., 3:] * (colour - surface)
    return np.asarray((mixed * 255 + 0.5).clip(0, 255).astype(np.uint8))
