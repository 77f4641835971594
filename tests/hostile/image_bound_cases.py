"""Images that cost too much, and those that just do not."""

from __future__ import annotations

import functools

from tests.fakes import image_files as files
from tests.hostile import image_builders as build
from tests.hostile.image_case import ImageCase

_PIXELS, _BYTES = "TOO_MANY_PIXELS", "TOO_MANY_BYTES"
_CAP_BYTES = 20_000_000
# Just under 50 megapixels.
_SIDE = 7_000


def _padded(count: int) -> bytes:
    """A valid JPEG with zeros behind its end, of so many bytes."""
    content = build.whole("JPEG")
    return content + bytes(count - len(content))


@functools.cache
def _deep_png() -> bytes:
    """49 megapixels of 16-bit RGBA, interlaced."""
    scanlines = build.compressed_zeros(_SIDE * (_SIDE * 8 + 2))
    return build.png_of(_SIDE, _SIDE, scanlines, bits=16, color_type=6, interlaced=True)


def _strip(width_px: int, height_px: int) -> bytes:
    return files.encoded(files.photo(width_px, height_px), "PNG")


BOUND_CASES: tuple[ImageCase, ...] = (
    ImageCase(
        "22", "a PNG header of 2^31 a side", lambda: files.png(2**31 - 1, 2**31 - 1, b""), _PIXELS
    ),
    ImageCase(
        "23",
        "a PNG of 50,000 a side in 1 bit, 304 kB",
        lambda: build.png_of(
            50_000, 50_000, build.compressed_zeros(50_000 * 6_251), bits=1, color_type=0
        ),
        _PIXELS,
    ),
    ImageCase(
        "24", "a JPEG header of 65,500 a side", lambda: build.jpeg_sized(65_500, 65_500), _PIXELS
    ),
    ImageCase(
        "25", "a WebP header of 2^24 a side", lambda: build.webp_canvas(2**24, 2**24), _PIXELS
    ),
    ImageCase(
        "25b", "a WebP canvas of 16,383 a side", lambda: build.webp_canvas(16_383, 16_383), _PIXELS
    ),
    ImageCase(
        "25c", "a WebP canvas of 12,000 a side", lambda: build.webp_canvas(12_000, 12_000), _PIXELS
    ),
    ImageCase(
        "25d",
        "a WebP of 778 bytes with a canvas of 49 megapixels",
        lambda: build.webp_canvas(_SIDE, _SIDE),
        size_px=(_SIDE, _SIDE),
        memory_mb=1_000,
    ),
    ImageCase("26", "a BMP of height -2^31", build.bmp_upside_down, "UNSUPPORTED_FORMAT"),
    ImageCase(
        "26b", "an AVIF header of 12,000 a side", lambda: build.avif_sized(12_000, 12_000), _PIXELS
    ),
    ImageCase(
        "26c",
        "an AVIF header of 60,000 a side",
        lambda: build.avif_sized(60_000, 60_000),
        "UNSUPPORTED_FORMAT",
    ),
    ImageCase(
        "27", "a PNG header of 165 megapixels", lambda: files.png(15_000, 11_000, b""), _PIXELS
    ),
    ImageCase("28", "81 real megapixels in a PNG of 79 kB", lambda: files.png_bomb(9_000), _PIXELS),
    ImageCase(
        "28b",
        "49 real megapixels of 16-bit RGBA, interlaced, 381 kB",
        _deep_png,
        size_px=(_SIDE, _SIDE),
        flat=True,
        memory_mb=1_200,
    ),
    ImageCase(
        "28d",
        "the PNG of 28b where an image has 0.2 s: its worker is killed",
        _deep_png,
        "DECODER_CRASHED",
        wall_s=0.2,
        kills=True,
    ),
    ImageCase(
        "28c",
        "a GIF frame far outside its screen: 402 megapixels",
        lambda: build.gif_frame_outside(20_000, 20_000, 40),
        _PIXELS,
    ),
    ImageCase(
        "29",
        "a zTXt of 200 MB in 194 kB",
        lambda: files.png_with_chunk_bomb(b"zTXt", 200_000_000),
        "METADATA_BOMB",
    ),
    ImageCase(
        "30",
        "an iCCP of 200 MB in 194 kB",
        lambda: files.png_with_chunk_bomb(b"iCCP", 200_000_000),
        "METADATA_BOMB",
    ),
    ImageCase(
        "31",
        "20,000 text chunks, 18 MB",
        lambda: build.png_with_many_chunks(20_000, bytes_each=900),
        size_px=(40, 40),
        memory_mb=128,
    ),
    ImageCase(
        "31b",
        "a PNG of a million private chunks",
        lambda: build.png_of_chunks(1_000_000, b"vpAg", b"x"),
        "CORRUPT",
    ),
    ImageCase(
        "31c",
        "a JPEG of 600,000 pieces of Exif",
        lambda: build.jpeg_with_segments(600_000, b"Exif\x00\x00x"),
        "CORRUPT",
    ),
    ImageCase(
        "31d",
        "a JPEG with 19 MB of filling in its header",
        lambda: b"\xff\xd8" + b"\xff" * 19_000_000 + build.whole("JPEG")[2:],
        "CORRUPT",
    ),
    ImageCase(
        "31e", "a GIF of 3 million comments", lambda: build.gif_with_comments(3_000_000), "CORRUPT"
    ),
    ImageCase("65", "1x1", lambda: _strip(1, 1), "TOO_SMALL"),
    ImageCase("65b", "2x2", lambda: _strip(2, 2), size_px=(2, 2)),
    ImageCase("66", "a strip of 1x30,000", lambda: _strip(1, 30_000), _PIXELS),
    ImageCase("66b", "a strip of 2x16,000", lambda: _strip(2, 16_000), "EXTREME_ASPECT"),
    ImageCase("66c", "a strip of 90x30: three to one", lambda: _strip(90, 30), size_px=(90, 30)),
    ImageCase("66d", "a strip of 91x30", lambda: _strip(91, 30), "EXTREME_ASPECT"),
    ImageCase(
        "69",
        "100 MB of zeros behind the mark of a JPEG",
        lambda: b"\xff\xd8\xff" + bytes(100_000_000),
        _BYTES,
        memory_mb=256,
    ),
    ImageCase(
        "69b",
        "the same within the limit",
        lambda: b"\xff\xd8\xff" + bytes(_CAP_BYTES - 3),
        "UNSUPPORTED_FORMAT",
    ),
    ImageCase("70", "exactly the limit of bytes", lambda: _padded(_CAP_BYTES), size_px=(96, 64)),
    ImageCase("70b", "a byte over it", lambda: _padded(_CAP_BYTES + 1), _BYTES),
)
