"""The images that are embedded: drawn JPEGs of 1024 pixels, and their pixels at the input's size."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.fetching.photos import draw_photos
from lodestone.image.v1.image_pb2 import Image
from services.servicekit.image import DecodeLimits, open_image
from services.servicekit.messages import rgb_to_image
from services.servicekit.resize import InputShape, inputs_of

COUNT: Final = 64
"""Distinct images; they are sent again and again."""

LONG_SIDE_PX: Final = 1024

_SEED: Final = 2026


@dataclass(frozen=True, slots=True)
class Images:
    """The same images three times.

    Attributes:
        inputs: (n, height_px, width_px, 3) uint8 RGB of the input's size.
        pixels: Messages with these inputs.
        encoded: Messages with the JPEGs that the inputs were made from.
    """

    inputs: np.ndarray[Any, np.dtype[np.uint8]]
    pixels: list[Image]
    encoded: list[Image]


def images_for(shape: InputShape, count: int = COUNT) -> Images:
    """Draws the JPEGs, if they are not there yet, and brings them to an input's size as the service does."""
    folder = Path(tempfile.gettempdir()) / f"lodestone-bench-photos-{LONG_SIDE_PX}-{_SEED}"
    photos = draw_photos(folder, count, seed=_SEED, long_side_px=LONG_SIDE_PX)
    jpegs = [path.read_bytes() for path in photos]
    inputs = [inputs_of(open_image(jpeg, DecodeLimits()), {"": shape})[""] for jpeg in jpegs]
    return Images(
        np.stack(inputs),
        [rgb_to_image(one) for one in inputs],
        [Image(encoded=jpeg) for jpeg in jpegs],
    )
