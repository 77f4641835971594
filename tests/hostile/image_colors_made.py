"""Images in every mode that a file may have."""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image as PillowImage

from tests.fakes import image_files as files
from tests.hostile import image_builders as build

_SIDE = 32


def cmyk() -> bytes:
    """No cyan, all magenta and yellow: red."""
    return files.encoded(PillowImage.new("CMYK", (_SIDE, _SIDE), (0, 255, 255, 0)), "JPEG")


def grey_with_alpha() -> bytes:
    """Black that is all clear."""
    return files.encoded(PillowImage.new("LA", (_SIDE, _SIDE), (0, 0)), "PNG")


def palette_with_transparency() -> bytes:
    """Red that is clear."""
    image = PillowImage.new("P", (_SIDE, _SIDE), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    return files.encoded(image, "PNG", transparency=0)


def alpha_zero() -> bytes:
    """Noise that is all clear."""
    rgba = np.dstack([files.photo(_SIDE, _SIDE), np.zeros((_SIDE, _SIDE), np.uint8)])
    return files.encoded(PillowImage.fromarray(rgba), "PNG")


def one_bit() -> bytes:
    """Black above, white below."""
    image = PillowImage.new("1", (_SIDE, _SIDE), 0)
    image.paste(1, (0, _SIDE // 2, _SIDE, _SIDE))
    return files.encoded(image, "PNG")


def gradient_of_16_bits() -> bytes:
    """From black on the left to white on the right, over all 16 bits."""
    row = np.linspace(0, 65_535, 256).astype(np.uint16)
    return files.encoded(PillowImage.fromarray(np.tile(row, (128, 1))), "PNG")


def rgb_of_16_bits() -> bytes:
    """One colour: 64, 128, 192 of 255."""
    pixel = b"".join((value * 257).to_bytes(2, "big") for value in (64, 128, 192))
    scanlines = (b"\x00" + pixel * _SIDE) * _SIDE
    return build.png_of(_SIDE, _SIDE, zlib.compress(scanlines), bits=16)
