"""Thumbnails and what is found with them, for the tests of the novelty service."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from services.novelty.precision_check import PrecisionCheck
from services.novelty.thumbnails import Thumbnail
from services.servicekit.embedding import Precision
from tests.novelty.tastes import unit_rows


def picture(width_px=24, height_px=16, *, seed=0, file_format="JPEG", noise=0.0, **options):
    """A file of a plain colour, or of noise, which compresses badly."""
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 256, 3)
    spread = rng.normal(0.0, noise, (height_px, width_px, 3)) if noise else 0.0
    pixels = np.zeros((height_px, width_px, 3)) + colour + spread
    content = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, file_format, **options)
    return content.getvalue()


def thumbnails(positions=range(9), *, dimension=4, seed=0):
    """One of each position, all different."""
    positions = list(positions)
    rows = unit_rows(len(positions), dimension, seed=seed)
    return tuple(
        Thumbnail(position, picture(seed=seed + abs(position)), values)
        for position, values in zip(positions, rows, strict=True)
    )


def contents(some):
    """Of thumbnails what can be compared."""
    return [(one.position, one.jpeg, one.embedding.tolist()) for one in some]


def precision_check(precision=Precision.BF16, **changes):
    fields = {
        "image_count": 9,
        "moved_count": 0,
        "max_shift_nats": 3.0,
        "median_shift_nats": 1.0,
        "moved_share": 0.0,
    } | changes
    admitted = not fields["moved_count"]
    return PrecisionCheck(**({"precision": precision, "admitted": admitted} | fields))
