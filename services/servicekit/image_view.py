"""An upright image in as many pixels as it was decoded to: all of them, or those of a reduced scale."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image as PillowImage

_Side = TypeVar("_Side", int, float)

_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
# By these the right or the lower edge of what was stored becomes the left or the upper one.
_TO_THE_LEFT = frozenset({2, 3, 6, 7})
_TO_THE_TOP = frozenset({3, 4, 7, 8})


@dataclass(frozen=True, slots=True)
class ImageView:
    """An upright image.

    At a reduced scale the sides are rarely whole numbers of pixels: the last ones reach over the image's edge. Taken
    for part of it they would shift what is resized from it, by up to a pixel in 150; hence its place in the pixels.

    Attributes:
        pixels: What was decoded, 8-bit grey.
        box: Left, top, right and bottom of the image in `pixels`.
    """

    pixels: PillowImage.Image
    box: tuple[float, float, float, float]

    def resize(
        self, size: tuple[int, int], resample: PillowImage.Resampling, *, reducing_gap: float
    ) -> PillowImage.Image:
        """Brings the image to a width and height, as Pillow does."""
        return self.pixels.resize(size, resample, box=self.box, reducing_gap=reducing_gap)


def grey_view(image: PillowImage.Image) -> ImageView:
    """All pixels of an upright RGB image in 8-bit grey."""
    return ImageView(image.convert("L"), (0, 0, *image.size))


def upright(image: PillowImage.Image, orientation: int) -> PillowImage.Image:
    """Turns stored pixels as EXIF says; `orientation` is 1 to 8."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def upright_view(grey: PillowImage.Image, orientation: int, size: tuple[float, float]) -> ImageView:
    """Turns grey pixels, the first `size` (width, height) of which are the image; `orientation` is 1 to 8."""
    pixels = upright(grey, orientation)
    width, height = upright_size(size, orientation)
    left = pixels.width - width if orientation in _TO_THE_LEFT else 0.0
    top = pixels.height - height if orientation in _TO_THE_TOP else 0.0
    return ImageView(pixels, (left, top, left + width, top + height))


def upright_size(stored: tuple[_Side, _Side], orientation: int) -> tuple[_Side, _Side]:
    """The width and height of an image once it is turned."""
    width, height = stored
    return (height, width) if orientation >= 5 else (width, height)


def orientation_of(image: PillowImage.Image) -> int:
    """What EXIF says of it, 1 to 8; broken EXIF is no reason to reject an image: it is dropped."""
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(_ORIENTATION_TAG)
        if orientation in _TURNS:
            return int(orientation)
    return 1
