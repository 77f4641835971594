"""Encoded images to pixels: bounded, upright, RGB.

The policy follows Pillow's security handbook (an allow-list of formats, bomb warnings as errors) and our own
measurements: 16-bit PNG must be scaled before `convert`, which clips it to white.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode

Rgb = npt.NDArray[np.uint8]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
_SIDE_MIN_PX = 2
_SIDE_MAX_PX = 16_384
_PILLOW_IS_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What an encoded image may cost.

    Attributes:
        max_bytes: Encoded bytes; exactly this passes.
        max_pixels: Width × height as stated in the header; exactly this passes.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright image.

    Attributes:
        rgb: (height, width, 3) uint8.
        format: The format that the bytes are in, for example `JPEG`.
        animated: Whether it is the first of several frames.
    """

    rgb: Rgb
    format: str
    animated: bool


def decode(encoded: bytes, limits: DecodeLimits) -> DecodedImage:
    """Decodes the first frame of a JPEG, PNG, WebP, GIF or AVIF file, upright by EXIF.

    Transparency is laid over white; CMYK, grey, palette and 16-bit images become 8-bit RGB.

    Raises:
        ItemRejected: The bytes are no such image, or break a limit.
    """
    if len(encoded) > limits.max_bytes:
        reason = f"{len(encoded):,} bytes, over the limit of {limits.max_bytes:,}"
        raise ItemRejected(RejectionCode.TOO_MANY_BYTES, reason)
    _quieten_pillow()
    image = _open(encoded)
    _check_size(image.width, image.height, limits)
    return _load(image)


def pixels_to_rgb(rgb: bytes, *, height_px: int, width_px: int) -> Rgb:
    """Views raw pixels as an (height, width, 3) uint8 array.

    Raises:
        ItemRejected: A side is out of range or the length is not height × width × 3.
    """
    sides_fit = 1 <= height_px <= _SIDE_MAX_PX and 1 <= width_px <= _SIDE_MAX_PX
    if not sides_fit or len(rgb) != height_px * width_px * 3:
        reason = f"{len(rgb):,} bytes for {width_px}x{height_px} RGB pixels"
        raise ItemRejected(RejectionCode.BAD_PIXELS, reason)
    return np.frombuffer(rgb, dtype=np.uint8).reshape(height_px, width_px, 3)


def _quieten_pillow() -> None:
    """Its warnings say nothing that is not checked here, and an attacker could fill the log with them.

    A filter of the process: `catch_warnings` is not thread-safe, and images are decoded in threads.
    """
    if _PILLOW_IS_QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _open(encoded: bytes) -> PillowImage.Image:
    try:
        return PillowImage.open(io.BytesIO(encoded), formats=_FORMATS)
    except UnidentifiedImageError as error:
        reason = f"not a {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} file"
        raise ItemRejected(RejectionCode.UNSUPPORTED_FORMAT, reason) from error
    except Exception as error:
        if _is_cut_webp(encoded):
            raise ItemRejected(RejectionCode.TRUNCATED, _sentence(error)) from error
        raise _rejected(error) from error


def _is_cut_webp(encoded: bytes) -> bool:
    """Whether it is shorter than its RIFF header says: libwebp has no word for that."""
    return encoded[:4] == b"RIFF" and int.from_bytes(encoded[4:8], "little") + 8 > len(encoded)


def _check_size(width_px: int, height_px: int, limits: DecodeLimits) -> None:
    if width_px * height_px > limits.max_pixels or max(width_px, height_px) > _SIDE_MAX_PX:
        reason = (
            f"{width_px}x{height_px} pixels, over the limit of {limits.max_pixels:,} pixels "
            f"and {_SIDE_MAX_PX} a side"
        )
        raise ItemRejected(RejectionCode.TOO_MANY_PIXELS, reason)
    if min(width_px, height_px) < _SIDE_MIN_PX:
        reason = f"{width_px}x{height_px} pixels, under {_SIDE_MIN_PX} a side"
        raise ItemRejected(RejectionCode.TOO_SMALL, reason)


def _load(image: PillowImage.Image) -> DecodedImage:
    # MPO is a JPEG with further frames behind it.
    format_name = "JPEG" if image.format == "MPO" else str(image.format)
    try:
        animated = bool(getattr(image, "is_animated", False))
        image.load()
        # Broken EXIF is no reason to reject: it is dropped.
        with contextlib.suppress(Exception):
            ImageOps.exif_transpose(image, in_place=True)
        return DecodedImage(np.asarray(_to_rgb(image)), format_name, animated)
    except Exception as error:
        raise _rejected(error) from error


def _to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    if image.mode.startswith("I;16"):
        # `convert` clips 16 bits to 8 instead of scaling them.
        scaled = (np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8)
        return PillowImage.fromarray(scaled).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = PillowImage.new("RGBA", rgba.size, "white")
        return PillowImage.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _rejected(error: Exception) -> ItemRejected:
    """Sorts what Pillow raises while it opens and loads: it has no classes for these."""
    text = str(error).lower()
    if isinstance(error, PillowImage.DecompressionBombError):
        return ItemRejected(RejectionCode.TOO_MANY_PIXELS, _sentence(error))
    if (
        "max_text" in text
        or "decompressed data too large" in text
        or "too much memory used" in text
    ):
        return ItemRejected(RejectionCode.METADATA_BOMB, _sentence(error))
    if "truncated" in text or "not enough" in text or "end of" in text or "unexpected end" in text:
        return ItemRejected(RejectionCode.TRUNCATED, _sentence(error))
    return ItemRejected(RejectionCode.CORRUPT, _sentence(error))


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"it does not decode: {text[:200]}"
