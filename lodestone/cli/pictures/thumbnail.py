"""A picture made small."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image as PillowImage
from PIL import ImageOps

MAX_SIDE_PX: Final = 256
MAX_BYTES: Final = 65_536

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
_QUALITIES: Final = (90, 75, 50)


class NoThumbnail(Exception):
    """A picture cannot be made small; the message says why."""


def make_thumbnail(encoded: bytes) -> bytes:
    """A JPEG of an image file's first frame: upright, RGB over white, no side over 256 px, at most 64 KB.

    What is such a file already is returned as it is.

    Raises:
        NoThumbnail: It cannot be decoded, or no quality makes it small enough.
    """
    try:
        with PillowImage.open(io.BytesIO(encoded), formats=_FORMATS) as image:
            if _is_thumbnail(image) and len(encoded) <= MAX_BYTES:
                image.load()
                return encoded
            # JPEGs are decoded at a reduced scale, not under twice the size.
            image.draft("RGB", (2 * MAX_SIDE_PX, 2 * MAX_SIDE_PX))
            small = _over_white(ImageOps.exif_transpose(image))
    except Exception as error:  # decoders fail in many ways
        raise NoThumbnail(f"it cannot be decoded: {error}") from error
    small.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), PillowImage.Resampling.LANCZOS)
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MAX_BYTES:
            return buffer.getvalue()
    raise NoThumbnail(f"it has {buffer.tell():,} bytes even at quality {_QUALITIES[-1]}")


def _is_thumbnail(image: PillowImage.Image) -> bool:
    return (
        (image.format, image.mode) == ("JPEG", "RGB")
        and max(image.size) <= MAX_SIDE_PX
        and not image.getexif()
    )


def _over_white(image: PillowImage.Image) -> PillowImage.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = PillowImage.new("RGBA", rgba.size, "white")
    return PillowImage.alpha_composite(white, rgba).convert("RGB")
