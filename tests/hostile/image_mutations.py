"""Damages valid images in every way that keeps something of them."""

from __future__ import annotations

import struct
from collections.abc import Callable

from hypothesis import strategies as st
from PIL import Image as PillowImage

from tests.fakes import image_files as files
from tests.fakes.image_files import PNG_SIGNATURE
from tests.hostile.image_colors_made import (
    cmyk,
    gradient_of_16_bits,
    palette_with_transparency,
    rgb_of_16_bits,
)

_ORIENTATION = 0x0112
_START_BYTES = 32


def _with_exif() -> bytes:
    exif = PillowImage.Exif()
    exif[_ORIENTATION] = 6
    return files.encoded(files.photo(), "JPEG", exif=exif.tobytes())


def _interlaced_with_text() -> bytes:
    text = files.chunk(b"tEXt", b"Comment\x00a lake")
    return files.png(24, 16, bytes((24 * 3 + 1) * 16), extra=text)


SEEDS: dict[str, bytes] = {
    "JPEG": files.encoded(files.photo(), "JPEG"),
    "progressive JPEG": files.encoded(files.photo(), "JPEG", progressive=True),
    "JPEG with EXIF": _with_exif(),
    "CMYK JPEG": cmyk(),
    "MPO": files.animation("MPO"),
    "PNG": files.encoded(files.photo(48, 32), "PNG"),
    "PNG with text": _interlaced_with_text(),
    "16-bit grey PNG": gradient_of_16_bits(),
    "16-bit RGB PNG": rgb_of_16_bits(),
    "palette PNG": palette_with_transparency(),
    "animated PNG": files.animation("PNG"),
    "WebP": files.encoded(files.photo(), "WEBP"),
    "lossless WebP": files.encoded(files.photo(), "WEBP", lossless=True),
    "animated WebP": files.animation("WEBP"),
    "GIF": files.encoded(files.photo(), "GIF"),
    "animated GIF": files.animation("GIF"),
    "AVIF": files.encoded(files.photo(), "AVIF"),
    "animated AVIF": files.animation("AVIF"),
}

# From the lengths that lie about a chunk to those that no file has.
_LENGTHS = (0, 1, 4, 12, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


@st.composite
def _flipped_bits(draw: Callable, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 24))):
        changed[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


@st.composite
def _cut(draw: Callable, content: bytes) -> bytes:
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    return content[:start] + content[end:]


@st.composite
def _spliced(draw: Callable, content: bytes) -> bytes:
    """The start of one file and the end of another."""
    other = draw(st.sampled_from(list(SEEDS.values())))
    return content[: draw(st.integers(0, len(content)))] + other[draw(st.integers(0, len(other))) :]


@st.composite
def _repeated(draw: Callable, content: bytes) -> bytes:
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    return content[:end] + content[start:end] * draw(st.integers(1, 20)) + content[end:]


@st.composite
def _other_numbers(draw: Callable, content: bytes) -> bytes:
    """A 32-bit number, of either byte order, where one may stand."""
    at = draw(st.integers(0, max(0, len(content) - 4)))
    number = draw(st.sampled_from(_LENGTHS))
    packed = struct.pack(draw(st.sampled_from((">I", "<I"))), number)
    return content[:at] + packed + content[at + 4 :]


@st.composite
def _other_chunk_lengths(draw: Callable, content: bytes) -> bytes:
    """Other lengths of a PNG's chunks or of a RIFF's; of other files, other numbers at their start."""
    places = list(_length_places(content)) or [0]
    at = draw(st.sampled_from(places))
    order = ">I" if content.startswith(PNG_SIGNATURE) else "<I"
    packed = struct.pack(order, draw(st.sampled_from(_LENGTHS) | st.integers(0, 2**32 - 1)))
    return content[:at] + packed + content[at + 4 :]


def _length_places(content: bytes) -> list[int]:
    is_png = content.startswith(PNG_SIGNATURE)
    if not is_png and not content.startswith(b"RIFF"):
        return []
    at, order, head = (8, ">I", 12) if is_png else (12, "<I", 8)
    places = [] if is_png else [4]
    while at + 8 <= len(content):
        place = at if is_png else at + 4
        places.append(place)
        length = struct.unpack(order, content[place : place + 4])[0]
        at += head + length + (0 if is_png else length % 2)
    return places


_MUTATIONS = (
    _flipped_bits,
    _cut,
    _spliced,
    _repeated,
    _other_numbers,
    _other_chunk_lengths,
)


@st.composite
def mutated_images(draw: Callable) -> bytes:
    """One of the valid images after one to three changes."""
    content = seed = draw(st.sampled_from(list(SEEDS.values())))
    for _ in range(draw(st.integers(1, 3))):
        if content:
            content = draw(draw(st.sampled_from(_MUTATIONS))(content))
    # What no longer starts as an image gets no further than that.
    keeps_start = draw(st.integers(0, 3)) > 0
    return seed[:_START_BYTES] + content[_START_BYTES:] if keeps_start else content


def places_of_lengths(name: str) -> list[int]:
    """Where the chunk lengths of a valid image stand."""
    return _length_places(SEEDS[name])
