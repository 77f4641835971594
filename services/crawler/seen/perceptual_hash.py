"""Perceptual hashes: DCT hashes of a small grey thumbnail, and those of its mirror image for nothing."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from services.crawler.candidate import Fingerprint
from services.servicekit.image import Rgb, as_pillow
from services.servicekit.image_view import ImageView, grey_view

_Grey = npt.NDArray[np.float64]

_THUMBNAIL_PX = 64
# Pixels a side that an image is decoded to at least. From so many the 256-bit hash differs by 1 to 3 bits on average,
# and 8 at most, from that of all pixels, where a duplicate may differ by 60 (measured).
SOURCE_PX = 2 * _THUMBNAIL_PX
# Grey levels. Measured: at 1.1 and less, saving as JPEG moves more than 60 of 256 bits; at 2.2 and more, fewer than 50.
_FLAT_BELOW = 1.5


def fingerprint(image: ImageView | Rgb) -> tuple[Fingerprint, Fingerprint]:
    """Hashes an upright image, grey or (h, w, 3) uint8, and its mirror image.

    The pHash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010,
    https://phash.org): the lowest frequencies of the DCT of a grey thumbnail, a bit each for being over their median.
    64 bits are the lowest 8×8 of 32×32 pixels, 256 bits the lowest 16×16 of 64×64. Mirroring an image only changes the
    sign of its odd horizontal frequencies, so the mirror image is not hashed anew.

    An image is flat if half of its low frequencies are so weak (under 1.5 grey levels, in an orthonormal DCT) that
    noise decides their bits: a plain colour, a gradient, a few stars.
    """
    fine = _thumbnail(image)
    coarse = fine.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    low64, low256 = _low_frequencies(coarse, 8), _low_frequencies(fine, 16)
    flat = bool(np.median(np.abs(low256.ravel()[1:])) < _FLAT_BELOW)
    signs = (-1.0) ** np.arange(16)
    upright = Fingerprint(_to_int(_bits(low64)), _bits(low256).tobytes(), flat)
    mirrored = Fingerprint(_to_int(_bits(low64 * signs[:8])), _bits(low256 * signs).tobytes(), flat)
    return upright, mirrored


def _thumbnail(image: ImageView | Rgb) -> _Grey:
    view = image if isinstance(image, ImageView) else grey_view(as_pillow(image))
    side = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    # The gap makes it three times as fast as plain Lanczos and moves no more bits.
    small = view.resize(side, PillowImage.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(small, dtype=np.float64)


def _low_frequencies(grey: _Grey, count: int) -> _Grey:
    transform = _dct_rows(grey.shape[0], count)
    return transform @ grey @ transform.T


@cache
def _dct_rows(size: int, count: int) -> _Grey:
    """The first `count` rows of the orthonormal DCT-II matrix, (count, size)."""
    angles = np.pi * (2 * np.arange(size) + 1) * np.arange(count)[:, None] / (2 * size)
    rows = np.sqrt(2 / size) * np.cos(angles)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows)


def _bits(low: _Grey) -> npt.NDArray[np.uint8]:
    # Row by row, lowest frequency first, in the most significant bit.
    return np.packbits(low > np.median(low))


def _to_int(packed: npt.NDArray[np.uint8]) -> int:
    return int.from_bytes(packed.tobytes(), "big")
