"""Encoded images to pixels: bounded, upright, RGB.

The policy follows Pillow's security handbook: an allow-list of formats, bomb warnings as errors.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import JpegImagePlugin, UnidentifiedImageError

from services.servicekit.errors import ItemRejected
from services.servicekit.image_colors import raw_mode, to_rgb
from services.servicekit.image_pieces import check_pieces
from services.servicekit.image_view import (
    ImageView,
    grey_view,
    orientation_of,
    upright,
    upright_size,
    upright_view,
)
from services.servicekit.jpeg_scans import check_scans
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


@dataclass(frozen=True, slots=True)
class OpenImage:
    """An image whose size is known, and whose pixels can be had at the size that is needed.

    Attributes:
        width_px: Width of the whole upright image, whatever size is asked for.
        height_px: Height of the same.
        format: The format that the bytes are in, for example `JPEG`; empty for raw pixels.
        animated: Whether it is the first of several frames.
    """

    width_px: int
    height_px: int
    format: str
    animated: bool
    _whole: PillowImage.Image | Rgb | None = field(default=None, repr=False)
    _jpeg: bytes = field(default=b"", repr=False)

    def rgb(self) -> PillowImage.Image | Rgb:
        """All pixels, upright and in RGB; an array if it was opened as one.

        Raises:
            ItemRejected: The bytes do not decode.
        """
        return _load_jpeg(self._jpeg) if self._whole is None else self._whole

    def grey(self, at_least_px: int) -> ImageView:
        """The upright image in 8-bit grey, in as few pixels as will do.

        Of a JPEG only the luma is decoded, at the smallest of 1/8, 1/4, 1/2 and 1 of its size that has `at_least_px` on
        both sides. All of its bytes are read nevertheless: one that is cut or corrupt is found at every scale.

        Raises:
            ItemRejected: The bytes do not decode.
        """
        if self._whole is None:
            return _load_grey_jpeg(self._jpeg, at_least_px)
        return grey_view(as_pillow(self._whole))


def as_pillow(image: PillowImage.Image | Rgb) -> PillowImage.Image:
    """An image as Pillow's; an (h, w, 3) uint8 array is copied."""
    return image if isinstance(image, PillowImage.Image) else PillowImage.fromarray(image)


def open_image(encoded: bytes, limits: DecodeLimits) -> OpenImage:
    """Opens a JPEG, PNG, WebP, GIF or AVIF file; its first frame, upright by EXIF.

    Transparency is laid over white; CMYK, grey, palette and 16-bit images become 8-bit RGB. The pixels of a JPEG are
    not decoded yet, those of all else are.

    Raises:
        ItemRejected: The bytes are no such image, or break a limit.
    """
    if len(encoded) > limits.max_bytes:
        reason = f"{len(encoded):,} bytes, over the limit of {limits.max_bytes:,}"
        raise ItemRejected(RejectionCode.TOO_MANY_BYTES, reason)
    check_scans(encoded)
    check_pieces(encoded)
    _quieten_pillow()
    image = _open(encoded)
    _check_size(image.width, image.height, limits)
    try:
        return _opened(image, encoded)
    except Exception as error:
        raise _rejected(error) from error


def open_pixels(rgb: Rgb) -> OpenImage:
    """Takes (h, w, 3) uint8 pixels for an image."""
    height_px, width_px = rgb.shape[:2]
    return OpenImage(width_px, height_px, "", animated=False, _whole=rgb)


def decode(encoded: bytes, limits: DecodeLimits) -> DecodedImage:
    """Decodes an image file to all its pixels, as `open_image` says.

    Raises:
        ItemRejected: The bytes are no such image, or break a limit.
    """
    image = open_image(encoded, limits)
    return DecodedImage(np.asarray(image.rgb()), image.format, image.animated)


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


def _opened(image: PillowImage.Image, encoded: bytes) -> OpenImage:
    animated = bool(getattr(image, "is_animated", False))
    # MPO is a JPEG with further frames behind it.
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        width_px, height_px = upright_size(image.size, orientation_of(image))
        return OpenImage(width_px, height_px, "JPEG", animated, _jpeg=encoded)
    stored_as = raw_mode(image)
    image.load()
    whole = to_rgb(upright(image, orientation_of(image)), stored_as=stored_as)
    return OpenImage(whole.width, whole.height, str(image.format), animated, _whole=whole)


def _load_jpeg(encoded: bytes) -> PillowImage.Image:
    image = _open(encoded)
    try:
        image.load()
        return to_rgb(upright(image, orientation_of(image)))
    except Exception as error:
        raise _rejected(error) from error


def _load_grey_jpeg(encoded: bytes, at_least_px: int) -> ImageView:
    image = _open(encoded)
    try:
        draft = image.draft("L", (at_least_px, at_least_px))
        assert draft is not None, "a JPEG that is not loaded yet has a draft"
        image.load()
        # CMYK has no luma to decode alone.
        grey = image if image.mode == "L" else to_rgb(image).convert("L")
        return upright_view(grey, orientation_of(image), draft[1][2:])
    except Exception as error:
        raise _rejected(error) from error


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
