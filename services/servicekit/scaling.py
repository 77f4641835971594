"""Bicubic scaling with antialiasing, as Pillow does it and about two and a half times as fast.

cykooz-resizer (https://github.com/Cykooz/cykooz.resizer) carries fast_image_resize, which uses the processor's vector
instructions. There are no wheels of it for Linux on ARM: where it is not installed, Pillow scales.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image as PillowImage

from services.servicekit.image import Rgb, as_pillow

try:
    import cykooz_resizer as fast
except ImportError:
    fast = None

if TYPE_CHECKING:
    from cykooz_resizer import ImageData

SCALER: Final = f"cykooz-resizer {version('cykooz-resizer')}" if fast else "Pillow"
"""What scales here, with its version: another may change a value by one level."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of an image, in pixels."""

# How far the cubic reaches, in pixels of whichever is coarser.
_REACH_PX = 2
# What a processor's cache holds; copies of a large image would cost more memory than decoding it does.
_BAND_BYTES = 2 * 1024 * 1024


def scale(image: PillowImage.Image | Rgb, size: tuple[int, int], box: Box) -> Rgb:
    """Brings a part of an RGB image, Pillow's or (h, w, 3) uint8, to a width and height: (height, width, 3) uint8.

    Across first and then down, with 8 bits in between. Pillow did it in that order up to 12; 13 goes down first where
    the height shrinks far more than the width (python-pillow/Pillow#9549), which moves one value in five by a level or
    more. In two steps the result depends neither on its version nor on which of the two packages scales, but for one
    value in some hundreds and one level (docs/decisions/0015-decoding.md).
    """
    if fast is None:
        return _scaled_by_pillow(image, size, box)
    left, top, right, bottom = box
    width_px, height_px = size
    first, last = _rows(top, bottom, image, height_px)
    across = b"".join(_scaled_across(image, (first, last), width_px, (left, right)))
    narrow = _data(width_px, last - first, across)
    target = _data(width_px, height_px)
    _resize(narrow, target, (0.0, top - first, float(width_px), bottom - first))
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height_px, width_px, 3)


def _scaled_by_pillow(image: PillowImage.Image | Rgb, size: tuple[int, int], box: Box) -> Rgb:
    left, top, right, bottom = box
    width_px = size[0]
    source, bicubic = as_pillow(image), PillowImage.Resampling.BICUBIC
    narrow = source.resize((width_px, source.height), bicubic, (left, 0, right, source.height))
    return np.asarray(narrow.resize(size, bicubic, (0, top, width_px, bottom)))


def _rows(
    top: float, bottom: float, image: PillowImage.Image | Rgb, height_px: int
) -> tuple[int, int]:
    """The first row that the part sees, and the one behind its last."""
    reach = _REACH_PX * max(1.0, (bottom - top) / height_px) + 1
    return max(0, math.floor(top - reach)), min(_size(image)[1], math.ceil(bottom + reach))


def _scaled_across(
    image: PillowImage.Image | Rgb, rows: tuple[int, int], width_px: int, sides: tuple[float, float]
) -> Iterator[bytes]:
    """Bands of rows from left to right side, each `width_px` wide."""
    source_px = _size(image)[0]
    for start, end, pixels in _bands(image, *rows):
        target = _data(width_px, end - start)
        box = (sides[0], 0.0, sides[1], float(end - start))
        _resize(_data(source_px, end - start, pixels), target, box)
        yield target.get_buffer()


def _bands(
    image: PillowImage.Image | Rgb, first: int, last: int
) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and pixels of a few rows at a time."""
    width_px = _size(image)[0]
    rows = max(1, _BAND_BYTES // (3 * width_px))
    for start in range(first, last, rows):
        end = min(start + rows, last)
        if isinstance(image, np.ndarray):
            yield start, end, image[start:end].tobytes()
        else:
            yield start, end, image.crop((0, start, width_px, end)).tobytes()


def _resize(source: ImageData, target: ImageData, box: Box) -> None:
    left, top, right, bottom = box
    width, height = _length(left, right, source.width), _length(top, bottom, source.height)
    # Catmull and Rom's cubic is Pillow's: a = -0.5.
    options = fast.ResizeOptions(
        resize_alg=fast.ResizeAlg.convolution(fast.FilterType.catmull_rom),
        use_alpha=False,
        crop_box=fast.CropBox(left, top, width, height),
    )
    fast.Resizer().resize(source, target, options)


def _length(start: float, end: float, side_px: int) -> float:
    """From start to end; their difference, added again, may be more than the side by rounding."""
    length = end - start
    return math.nextafter(length, 0) if start + length > side_px else length


def _data(width_px: int, height_px: int, pixels: bytes | None = None) -> ImageData:
    return fast.ImageData(width_px, height_px, fast.PixelType.U8x3, pixels)


def _size(image: PillowImage.Image | Rgb) -> tuple[int, int]:
    if isinstance(image, np.ndarray):
        return image.shape[1], image.shape[0]
    return image.size
