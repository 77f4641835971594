"""Golden embeddings of the bundled encoder: images made by formula, and what torch says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

GOLDEN_FILE = Path(__file__).with_name("golden_lite0.json")
ENCODER_FOLDER = Path(__file__).parents[2] / "encoders" / "efficientnet-lite0"

TOLERANCE = 1e-4
"""How far a value may be off: absolute, for every backend in fp32."""


EVERY = 20
"""Many of the values are zero: a stretch of them would say little."""


@dataclass(frozen=True, slots=True)
class GoldenEmbedding:
    """One image's embedding, as computed by torch from the weights, without ONNX.

    Attributes:
        width_px: The width of the image; 224x224 needs no resizing.
        height_px: Its height.
        encoder_id: Of the bundled encoder.
        values: (64,) float32, every twentieth of the embedding's 1280 (`EVERY`).
    """

    width_px: int
    height_px: int
    encoder_id: str
    values: npt.NDArray[np.float32]

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """The image, (height_px, width_px, 3) uint8."""
        return golden_image(self.width_px, self.height_px)

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """What torch was given: (224, 224, 3) uint8."""
        return golden_pixels(self.width_px, self.height_px)


def golden_image(width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """Overlaid triangle waves: smooth, in colour, and made of integers alone."""
    y, x = np.mgrid[0:height_px, 0:width_px]
    red = _triangle_wave(2 * x + y, 97)
    green = _triangle_wave(x + 3 * y, 131)
    blue = _triangle_wave(x * y // 7, 211)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def golden_pixels(width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """The image at the encoder's input size, by Pillow: other packages are off by a level here and there."""
    image = PillowImage.fromarray(golden_image(width_px, height_px))
    return np.asarray(image.resize((224, 224), PillowImage.Resampling.BICUBIC))


def load_golden() -> list[GoldenEmbedding]:
    """The committed embeddings."""
    facts = json.loads(GOLDEN_FILE.read_text())
    return [
        GoldenEmbedding(
            case["width_px"],
            case["height_px"],
            facts["encoder_id"],
            np.array(case["values"], dtype=np.float32),
        )
        for case in facts["cases"]
    ]


def _triangle_wave(phase: npt.NDArray[np.int64], period: int) -> npt.NDArray[np.int64]:
    """Rises from 0 to about 255 and falls again within one period."""
    place = phase % period
    return np.minimum(place, period - place) * 510 // period
