from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from services.servicekit.image import DecodeLimits, decode


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth: int, kind: int, row: bytes, clear: bytes) -> bytes:
    """A PNG of two pixels a row, two rows alike, with one clear colour."""
    header = struct.pack(">IIBBBBB", 2, 2, depth, kind, 0, 0, 0)
    data = zlib.compress((b"\x00" + row) * 2)
    chunks = chunk(b"IHDR", header) + chunk(b"tRNS", clear) + chunk(b"IDAT", data)
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


GREY, RGB = 0, 2
CLEAR = {
    "1 bit": (png(1, GREY, b"\x40", b"\x00\x00"), (255, 255)),
    "2 bits": (png(2, GREY, b"\x10", b"\x00\x01"), (0, 255)),
    "2 bits, the other": (png(2, GREY, b"\x10", b"\x00\x00"), (255, 85)),
    "4 bits": (png(4, GREY, b"\x37", b"\x00\x07"), (51, 255)),
    "8 bits": (png(8, GREY, b"\x40\x80", b"\x00\x80"), (64, 255)),
    "16 bits": (png(16, GREY, b"\x40\x01\x40\x02", b"\x40\x01"), (255, 64)),
    "8 bits of colour": (png(8, RGB, b"\x09\x09\x09\x08\x09\x09", b"\x00\x09" * 3), (255, 8)),
    "16 bits of colour": (
        png(16, RGB, b"\x12\x34" * 3 + b"\x56\x78" * 3, b"\x12\x34" * 3),
        (255, 86),
    ),
}


@pytest.mark.parametrize(("content", "expected"), CLEAR.values(), ids=CLEAR)
def test_the_clear_colour_of_a_png_is_white_at_every_depth(content, expected):
    """The one colour that `tRNS` states, in the depth of the file, lies over white; the other stays as it is."""
    rgb = decode(content, DecodeLimits()).rgb

    assert rgb[0, :, 0].tolist() == list(expected)
    assert np.array_equal(rgb[0], rgb[1])
