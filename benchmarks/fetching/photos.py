"""Drawn photos for benchmarks: JPEGs with the statistics of photographs, the same on every machine."""

from __future__ import annotations

import io
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter

_Plane = npt.NDArray[np.float32]

_SHAPES = ((3, 2), (4, 3), (16, 9))
_PIXELS = (2_000_000, 4_000_000)
_QUALITIES = (85, 91)
_COARSEST_CELLS = 6


def draw_photos(
    folder: Path, count: int, *, seed: int, long_side_px: int | None = None
) -> list[Path]:
    """Draws photos 0 to `count` into a folder, but for those that are there; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    one = partial(draw, seed, long_side_px=long_side_px)
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for number, encoded in zip(missing, pool.map(one, missing), strict=True):
            part = paths[number].with_suffix(".part")
            part.write_bytes(encoded)
            part.replace(paths[number])
    return paths


def draw(seed: int, number: int, *, long_side_px: int | None = None) -> bytes:
    """One photo as JPEG, of quality 85 to 90 with 4:2:0 chroma; of 2 to 4 MP, or with this longer side.

    Noise in octaves of nearly equal power, as photographs have it (D. J. Field, "Relations between the statistics of
    natural images and the response properties of cortical cells", 1987); the fine octaves are strong in some regions
    and weak in others, as in grass and sky; shapes with edges lie over it, and sensor noise over all.
    """
    rng = np.random.default_rng((seed, number))
    width_px, height_px = _size(rng, long_side_px)
    light = _shapes(rng, width_px, height_px) + _texture(rng, width_px, height_px)
    light += rng.standard_normal(light.shape, dtype=np.float32) * rng.uniform(0.5, 2.5)
    blue, red = (20 * _noise(rng, width_px, height_px, 8) for _ in range(2))
    planes = (128 + light, 128 + blue + light / 12, 128 + red - light / 16)
    bands = [PillowImage.fromarray(np.clip(plane, 0, 255).astype(np.uint8)) for plane in planes]
    encoded = io.BytesIO()
    quality = int(rng.integers(*_QUALITIES))
    PillowImage.merge("YCbCr", bands).save(encoded, "JPEG", quality=quality, subsampling="4:2:0")
    return encoded.getvalue()


def _size(rng: np.random.Generator, long_side_px: int | None) -> tuple[int, int]:
    across, down = _SHAPES[rng.integers(len(_SHAPES))]
    unit = (rng.uniform(*_PIXELS) / (across * down)) ** 0.5
    if long_side_px is not None:
        unit = long_side_px / max(across, down)
    sides = round(across * unit), round(down * unit)
    return sides if rng.random() < 0.8 else (sides[1], sides[0])


def _texture(rng: np.random.Generator, width_px: int, height_px: int) -> _Plane:
    """Octaves of noise, grey levels; the finer ones where a mask lets them."""
    mask = 1 / (1 + np.exp(-4 * _noise(rng, width_px, height_px, 5)))
    total = np.zeros((height_px, width_px), dtype=np.float32)
    cells, strength, decay = _COARSEST_CELLS, 24.0, rng.uniform(0.85, 1.0)
    while cells <= max(width_px, height_px) / 2:
        octave = strength * _noise(rng, width_px, height_px, cells)
        total += octave * mask if cells > 64 else octave
        cells, strength = cells * 2, strength * decay
    return total


def _noise(rng: np.random.Generator, width_px: int, height_px: int, cells: int) -> _Plane:
    """Smooth noise with so many cells along the longer side, about one in strength."""
    scale = cells / max(width_px, height_px)
    grid = (max(2, round(height_px * scale)), max(2, round(width_px * scale)))
    coarse = PillowImage.fromarray(rng.standard_normal(grid, dtype=np.float32))
    return np.asarray(coarse.resize((width_px, height_px), PillowImage.Resampling.BICUBIC))


def _shapes(rng: np.random.Generator, width_px: int, height_px: int) -> _Plane:
    """Forty patches of even light with edges one or two pixels wide, grey levels around nought."""
    canvas = PillowImage.new("L", (width_px, height_px), 128)
    pen = ImageDraw.Draw(canvas)
    for _ in range(40):
        centre = rng.uniform((0, 0), (width_px, height_px))
        reach = rng.exponential(0.12) * width_px
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        radii = reach * rng.uniform(0.4, 1.0, 7)
        corners = centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
        pen.polygon([tuple(corner) for corner in corners.tolist()], fill=int(rng.integers(48, 208)))
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float32) - 128
