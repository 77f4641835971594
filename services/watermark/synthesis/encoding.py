"""What happens to an image between its author and its judge; clean and marked images alike.

If only the marked images were saved again, a detector would learn to see the saving.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageFilter

from services.servicekit.image import Rgb

_SMALLEST_SIDE_PX = 32
_FILTERS = (
    PillowImage.Resampling.BICUBIC,
    PillowImage.Resampling.LANCZOS,
    PillowImage.Resampling.BILINEAR,
    PillowImage.Resampling.BOX,
)


@dataclass(frozen=True, slots=True)
class Saving:
    """One time that an image is saved as a file.

    Attributes:
        format: The format of the file.
        quality: 1..95; PNG has none.
        subsampling: How the JPEG keeps colours, in J:a:b.
    """

    format: Literal["JPEG", "WEBP", "PNG"]
    quality: int = 90
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"

    @property
    def suffix(self) -> str:
        """How the file's name ends."""
        return {"JPEG": ".jpg", "WEBP": ".webp", "PNG": ".png"}[self.format]

    def encode(self, image: PillowImage.Image) -> bytes:
        """The bytes of the file."""
        stream = io.BytesIO()
        if self.format == "JPEG":
            image.save(stream, "JPEG", quality=self.quality, subsampling=self.subsampling)
        elif self.format == "WEBP":
            image.save(stream, "WEBP", quality=self.quality, method=0)
        else:
            image.save(stream, "PNG", compress_level=3)
        return stream.getvalue()


@dataclass(frozen=True, slots=True)
class Encoding:
    """The same for both images of a pair, after the mark was drawn.

    Attributes:
        size: Width and height that it is brought to, pixels.
        filter: How it is resized.
        sharpness: Percent of an unsharp mask, 0 for none; photos made small from large ones look so.
        savings: Once for each time that it is saved, in order; at least one.
    """

    size: tuple[int, int]
    filter: PillowImage.Resampling
    sharpness: int
    savings: tuple[Saving, ...]

    @property
    def suffix(self) -> str:
        """How the name of the last file ends."""
        return self.savings[-1].suffix

    def apply(self, photo: Rgb) -> Rgb:
        """The (h, w, 3) uint8 photo as the last file shows it, of `size`."""
        return np.asarray(self._saved(photo, self.savings))

    def encode(self, photo: Rgb) -> bytes:
        """The bytes of the last file."""
        return self.savings[-1].encode(self._saved(photo, self.savings[:-1]))

    def _saved(self, photo: Rgb, savings: tuple[Saving, ...]) -> PillowImage.Image:
        image = PillowImage.fromarray(photo)
        if image.size != self.size:
            image = image.resize(self.size, self.filter)
        if self.sharpness:
            image = image.filter(_unsharp(self.sharpness / 100))
        # A PNG loses nothing, and takes the longest to write.
        for saving in (saving for saving in savings if saving.format != "PNG"):
            image = PillowImage.open(io.BytesIO(saving.encode(image))).convert("RGB")
        return image


def choose_encoding(size: tuple[int, int], rng: np.random.Generator) -> Encoding:
    """An encoding at random for an image of `size` (width, height)."""
    scale = float(rng.uniform(0.6, 1.0)) if rng.random() < 0.5 else 1.0
    width_px, height_px = (max(round(side * scale), min(side, _SMALLEST_SIDE_PX)) for side in size)
    sharpness = int(rng.integers(40, 150)) if rng.random() < 0.35 else 0
    resampling = _FILTERS[int(rng.choice(len(_FILTERS), p=[0.4, 0.3, 0.2, 0.1]))]
    count = 2 if rng.random() < 0.3 else 1
    savings = tuple(_choose_saving(rng) for _ in range(count))
    return Encoding((width_px, height_px), resampling, sharpness, savings)


def _unsharp(amount: float) -> ImageFilter.Kernel:
    """The image and `amount` of what a 3x3 binomial blur takes from it: a tenth of the time of Pillow's own."""
    blur = (1, 2, 1, 2, 4, 2, 1, 2, 1)
    weights = [-amount * weight for weight in blur]
    weights[4] += 16 * (1 + amount)
    return ImageFilter.Kernel((3, 3), weights, scale=16)


def _choose_saving(rng: np.random.Generator) -> Saving:
    pick, quality = rng.random(), int(rng.integers(55, 96))
    if pick < 0.1:
        return Saving("PNG")
    if pick < 0.2:
        return Saving("WEBP", quality)
    colours = rng.random()
    if colours < 0.65:
        return Saving("JPEG", quality, "4:2:0")
    return Saving("JPEG", quality, "4:4:4" if colours < 0.85 else "4:2:2")
