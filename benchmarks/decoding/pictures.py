"""The JPEGs that are decoded: a person's photos as they are, and at 1,024 pixels."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from services.servicekit.image import DecodeLimits, open_image
from services.servicekit.image_view import orientation_of

LONG_SIDE_PX = 1_024
_QUALITY = 88
_MIDDLE_PIXELS = (1_900_000, 4_300_000)


@dataclass(frozen=True, slots=True)
class Jpeg:
    """An encoded photo.

    Attributes:
        name: Of its file.
        encoded: Its bytes.
        width_px: Its width.
        height_px: Its height.
    """

    name: str
    encoded: bytes
    width_px: int
    height_px: int

    @property
    def is_middling(self) -> bool:
        """Whether it has 2 to 4 megapixels, as photos on the web have."""
        return _MIDDLE_PIXELS[0] <= self.width_px * self.height_px <= _MIDDLE_PIXELS[1]


def read_jpegs(folders: Iterable[Path]) -> list[Jpeg]:
    """The RGB JPEGs of folders and those below them that lie upright: not every decoder turns them, nor knows CMYK."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*"))]
    return [
        Jpeg(path.name, encoded, width_px, height_px)
        for path in paths
        if path.suffix.lower() in {".jpg", ".jpeg"}
        for encoded in [path.read_bytes()]
        for width_px, height_px in _size(encoded)
    ]


def at_1024_px(photos: Iterable[Jpeg]) -> list[Jpeg]:
    """Those that are larger, at 1,024 pixels on the longer side: quality 88, 4:2:0 chroma."""
    large = (photo for photo in photos if max(photo.width_px, photo.height_px) > LONG_SIDE_PX)
    return [_smaller(photo) for photo in large]


def _size(encoded: bytes) -> list[tuple[int, int]]:
    """Width and height, or nothing if it is not to be compared."""
    image = PillowImage.open(io.BytesIO(encoded))
    fits = image.format in {"JPEG", "MPO"} and image.mode == "RGB" and orientation_of(image) == 1
    return [image.size] if fits else []


def _smaller(photo: Jpeg) -> Jpeg:
    whole = open_image(photo.encoded, DecodeLimits()).rgb()
    assert isinstance(whole, PillowImage.Image)
    scale = LONG_SIDE_PX / max(whole.size)
    size = (round(whole.width * scale), round(whole.height * scale))
    encoded = io.BytesIO()
    small = whole.resize(size, PillowImage.Resampling.LANCZOS)
    small.save(encoded, "JPEG", quality=_QUALITY, subsampling="4:2:0")
    return Jpeg(photo.name, encoded.getvalue(), *size)
