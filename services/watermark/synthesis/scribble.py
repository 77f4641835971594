"""Signatures by hand, as shapes: a spline through the ups and downs of a pen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

from services.watermark.synthesis.finishing import Shape

Points = npt.NDArray[np.float64]

# Drawn larger and made small: its strokes are smooth.
_SCALE = 3
_LARGEST_PX = 2400
_STEPS = 9


def scribble_shape(width_px: float, rng: np.random.Generator) -> Shape:
    """A signature about `width_px` wide, a quarter to a half as high."""
    width = min(max(width_px, 8) * _SCALE, _LARGEST_PX)
    height = width * float(rng.uniform(0.25, 0.5))
    thick = width * float(rng.uniform(0.008, 0.022))
    big = PillowImage.new("L", (round(width), round(height)))
    draw = ImageDraw.Draw(big)
    _stroke(draw, smooth(_letters(rng)) * (width, height), thick, rng)
    if rng.random() < 0.5:
        _stroke(draw, smooth(_flourish(rng)) * (width, height), thick, rng)
    size = (max(round(width / _SCALE), 4), max(round(height / _SCALE), 3))
    return big.resize(size, PillowImage.Resampling.BOX)


def smooth(points: Points) -> Points:
    """A Catmull-Rom spline through (n, 2) points: (9 (n - 1), 2) points on it."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = ends[:-3, None], ends[1:-2, None], ends[2:-1, None], ends[3:, None]
    t = np.linspace(0, 1, _STEPS, endpoint=False)[None, :, None]
    curve = (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    ) / 2
    return np.asarray(curve.reshape(-1, 2))


def _letters(rng: np.random.Generator) -> Points:
    """A large first letter, then small ones with some that reach up or down; all in 0..1."""
    x, points = 0.08, [(0.05, 0.55), (0.12, 0.1), (0.1, 0.85), (0.03, 0.6), (0.17, 0.4)]
    count = int(rng.integers(5, 12))
    for _ in range(count):
        step = 0.72 / count
        x += step
        high = float(rng.uniform(0.05, 0.25) if rng.random() < 0.2 else rng.uniform(0.38, 0.52))
        low = float(rng.uniform(0.8, 0.95) if rng.random() < 0.15 else rng.uniform(0.6, 0.72))
        back = float(rng.uniform(-0.4, 0.5)) * step
        points += [(x + step * 0.3, high), (x + back, (high + low) / 2), (x + step * 0.5, low)]
    points.append((0.97, float(rng.uniform(0.3, 0.7))))
    path = np.asarray(points)
    path[:, 0] += rng.normal(0, 0.008, len(path))
    return path.clip(0.02, 0.98)


def _flourish(rng: np.random.Generator) -> Points:
    """A line under the name, there and half of the way back."""
    down = float(rng.uniform(0.8, 0.92))
    return np.asarray(
        [(0.1, down), (0.5, down - 0.06), (0.94, down - 0.1), (0.8, down + 0.03), (0.4, down)]
    )


def _stroke(
    draw: ImageDraw.ImageDraw, points: Points, thick: float, rng: np.random.Generator
) -> None:
    """Thicker where the pen goes down, as ink is."""
    down = np.diff(points[:, 1], append=points[-1, 1])
    pressure = 0.75 + 0.5 * (down > 0) + 0.2 * np.sin(np.arange(len(points)) * rng.uniform(0.1, 1))
    widths = np.maximum(thick * np.convolve(pressure, np.ones(7) / 7, "same"), 1.5)
    for (x, y), (to_x, to_y), width in zip(points, points[1:], widths, strict=False):
        draw.line((x, y, to_x, to_y), fill=255, width=round(width))
        half = width / 2
        if half > 2:
            draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
