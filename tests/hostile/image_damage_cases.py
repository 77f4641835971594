"""Images that are cut or broken, and damage that nobody can see."""

from __future__ import annotations

from tests.fakes import image_files as files
from tests.hostile import image_builders as build
from tests.hostile.image_case import ImageCase

_TRUNCATED, _CORRUPT = "TRUNCATED", "CORRUPT"
_SIZE = (96, 64)


def _half(format_name: str, **options: object) -> bytes:
    return build.half(build.whole(format_name, **options))


def _bad_crc_of_text() -> bytes:
    text = bytearray(files.chunk(b"tEXt", b"key\x00value"))
    text[-1] ^= 0xFF
    return files.png(40, 40, bytes((40 * 3 + 1) * 40), extra=bytes(text))


DAMAGE_CASES: tuple[ImageCase, ...] = (
    ImageCase("32", "half a JPEG", lambda: _half("JPEG"), _TRUNCATED),
    ImageCase(
        "32b", "half a progressive JPEG", lambda: _half("JPEG", progressive=True), _TRUNCATED
    ),
    ImageCase(
        "32c",
        "half a JPEG with its end mark put back: the format cannot tell",
        lambda: _half("JPEG") + b"\xff\xd9",
        size_px=_SIZE,
    ),
    ImageCase("33", "a JPEG less 10 bytes", lambda: build.whole("JPEG")[:-10], _TRUNCATED),
    ImageCase("34", "half a PNG", lambda: _half("PNG"), _TRUNCATED),
    ImageCase("35", "half a WebP", lambda: _half("WEBP"), _TRUNCATED),
    ImageCase("35b", "half a lossless WebP", lambda: _half("WEBP", lossless=True), _TRUNCATED),
    ImageCase("36", "half a GIF", lambda: _half("GIF"), _TRUNCATED),
    ImageCase(
        "37",
        "a PNG with fewer pixels than it states",
        lambda: files.png(64, 64, bytes(100)),
        _TRUNCATED,
    ),
    ImageCase(
        "38",
        "a PNG without its end chunk: all pixels are there",
        lambda: build.whole("PNG")[:-12],
        size_px=_SIZE,
    ),
    ImageCase("39", "a PNG whose pixels have a wrong checksum", files.png_with_bad_crc, _CORRUPT),
    ImageCase(
        "39b", "a PNG whose text has a wrong checksum", _bad_crc_of_text, "UNSUPPORTED_FORMAT"
    ),
    ImageCase(
        "40", "a PNG whose pixels are not zlib", lambda: files.png_with_pixels(b"no zlib"), _CORRUPT
    ),
    ImageCase(
        "41",
        "60 flipped bits in the pixels of a JPEG: it has no checksum",
        lambda: build.flipped(build.whole("JPEG"), 60, seed=0, start=700),
        size_px=_SIZE,
    ),
    ImageCase(
        "41b",
        "60 flipped bits anywhere in a JPEG",
        lambda: build.flipped(build.whole("JPEG"), 60, seed=0, start=2),
        _CORRUPT,
    ),
    ImageCase(
        "42", "a JPEG of 20,000 scans without data", lambda: build.jpeg_with_scans(20_000), _CORRUPT
    ),
    ImageCase(
        "42b",
        "a valid JPEG of 25 megapixels whose 30,000 scans say nothing",
        lambda: build.jpeg_scan_bomb(5_000, 5_000, 30_000),
        _CORRUPT,
    ),
    ImageCase(
        "42c",
        "a valid JPEG of 49 megapixels whose 40 scans say nothing",
        lambda: build.jpeg_scan_bomb(7_000, 7_000, 34),
        size_px=(7_000, 7_000),
        memory_mb=256,
    ),
    ImageCase(
        "42d",
        "a JPEG of 49 megapixels in sequence, of 3,000 scans without data",
        lambda: build.jpeg_scans_in_sequence(7_000, 7_000, 3_000),
        _CORRUPT,
    ),
    ImageCase(
        "42e",
        "a progressive JPEG of 49 megapixels whose 3,000 scans stand behind a mark without a length",
        lambda: build.jpeg_hidden_scans(7_000, 7_000, 3_000, marker=b"\xff\x01"),
        _CORRUPT,
    ),
    ImageCase(
        "43",
        "a lossless WebP with noise for its Huffman tables",
        build.webp_lossless_noise,
        _CORRUPT,
    ),
)
