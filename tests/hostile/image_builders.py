"""Builds the parts of image files that no library writes."""

from __future__ import annotations

import functools
import hashlib
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage

from tests.fakes import image_files as files
from tests.fakes.image_files import PNG_SIGNATURE, chunk

_SCAN = b"\xff\xda"


@functools.cache
def whole(format_name: str, **options: object) -> bytes:
    """A small valid photo."""
    return files.encoded(files.photo(), format_name, **options)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes, count: int, *, seed: int, start: int) -> bytes:
    """Flips this many bits behind `start`."""
    random = np.random.default_rng(seed)
    damaged = bytearray(content)
    for at in random.integers(start, len(content) - 2, count):
        damaged[at] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def noise(count: int, *, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(count)


def png_of(
    width_px: int,
    height_px: int,
    data: bytes,
    *,
    bits: int = 8,
    color_type: int = 2,
    interlaced: bool = False,
) -> bytes:
    """A PNG of any depth and colour type, from its compressed pixels."""
    header = struct.pack(">IIBBBBB", width_px, height_px, bits, color_type, 0, 0, interlaced)
    pieces = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(chunk(kind, data) for kind, data in pieces)


def compressed_zeros(count: int) -> bytes:
    """Zeros in zlib, made piece by piece."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 20)
    packed = [packer.compress(piece) for _ in range(count >> 20)]
    packed.append(packer.compress(bytes(count & (1 << 20) - 1)))
    return b"".join(packed) + packer.flush()


def png_with_many_chunks(count: int, *, bytes_each: int) -> bytes:
    texts = (chunk(b"tEXt", b"key%d\x00" % n + b"x" * bytes_each) for n in range(count))
    return files.png(40, 40, bytes((40 * 3 + 1) * 40), extra=b"".join(texts))


def jpeg_sized(width_px: int, height_px: int) -> bytes:
    """A JPEG whose header claims another size."""
    content = whole("JPEG")
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height_px, width_px) + content[at + 4 :]


def jpeg_with_scans(count: int) -> bytes:
    """A progressive JPEG with empty scans in place of its own."""
    content = whole("JPEG", progressive=True)
    scan = _SCAN + b"\x00\x08\x01\x01\x00\x01\x3f\x00"
    return content[: content.index(_SCAN)] + scan * count + b"\xff\xd9"


def jpeg_scan_bomb(width_px: int, height_px: int, count: int) -> bytes:
    """A valid progressive JPEG that says the same nothing of all its pixels again and again.

    Its scans refine no coefficient: each is a run of ends of blocks (ITU-T T.81, G.1.2.2), a few bytes that cost a pass
    over the whole image.
    """
    content = files.encoded(
        PillowImage.new("L", (width_px, height_px), 90), "JPEG", progressive=True
    )
    first = content.index(_SCAN)
    scans = [at for at in range(first, len(content) - 1) if content[at : at + 2] == _SCAN]
    # The tables that a scan needs stand before it.
    head, last = content[: scans[-1]], content[scans[-1] : -2]
    tables = head.rindex(b"\xff\xc4")
    return content[:-2] + (content[tables : scans[-1]] + last) * count + b"\xff\xd9"


def jpeg_scans_in_sequence(width_px: int, height_px: int, count: int) -> bytes:
    """A JPEG that is not progressive, with a scan without data for one colour after the other."""
    head = _head_of_flat_jpeg(width_px, height_px)
    scans = (
        _SCAN + bytes((0, 8, 1, 1 + n % 3, 0x11 if n % 3 else 0, 0, 63, 0)) for n in range(count)
    )
    return head + b"".join(scans) + b"\xff\xd9"


def jpeg_hidden_scans(width_px: int, height_px: int, count: int, *, marker: bytes) -> bytes:
    """A progressive JPEG whose scans stand behind a mark that has no length, as if they were its segment."""
    head = _head_of_flat_jpeg(width_px, height_px).replace(b"\xff\xc0", b"\xff\xc2", 1)
    first = _SCAN + bytes((0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 0, 0))
    scan = _SCAN + bytes((0, 8, 1, 1, 0, 1, 63, 0))
    hidden = (scan * count).ljust(0xFEFC, b"\x00")
    return head + first + marker + b"\xfe\xfe" + hidden + b"\xff\xd9"


def jpeg_with_segments(count: int, content: bytes) -> bytes:
    """A JPEG with so many segments of one content, of APP2 if that is a colour profile, of APP1 otherwise."""
    whole_jpeg = whole("JPEG")
    kind = b"\xff\xe2" if content.startswith(b"ICC") else b"\xff\xe1"
    segment = kind + struct.pack(">H", len(content) + 2) + content
    return whole_jpeg[:2] + segment * count + whole_jpeg[2:]


def _head_of_flat_jpeg(width_px: int, height_px: int) -> bytes:
    """All before the first scan."""
    image = PillowImage.new("RGB", (width_px, height_px), (120, 130, 140))
    content = files.encoded(image, "JPEG", subsampling=0)
    return content[: content.index(_SCAN)]


def png_of_chunks(count: int, kind: bytes, data: bytes) -> bytes:
    """A PNG with so many chunks of one kind before its pixels."""
    return files.png(40, 40, bytes((40 * 3 + 1) * 40), extra=chunk(kind, data) * count)


def gif_with_comments(count: int) -> bytes:
    """A GIF with so many comments of one letter before its frame."""
    content = whole("GIF")
    at = 13 + (3 * (2 << (content[10] & 7)) if content[10] & 0x80 else 0)
    return content[:at] + b"\x21\xfe\x01x\x00" * count + content[at:]


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\x00" * (len(data) % 2)
        for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_canvas(width_px: int, height_px: int) -> bytes:
    """An animated WebP with a large canvas and one small frame."""

    def u24(number: int) -> bytes:
        return struct.pack("<I", number)[:3]

    frame = whole("WEBP")[12:]
    placed = u24(0) * 2 + u24(95) + u24(63) + u24(0) + b"\x00"
    return webp(
        (b"VP8X", b"\x02\x00\x00\x00" + u24(width_px - 1) + u24(height_px - 1)),
        (b"ANIM", bytes(6)),
        (b"ANMF", placed + frame),
    )


def gif_frame_outside(left_px: int, top_px: int, side_px: int) -> bytes:
    """A GIF with a screen of 10x10 and a frame beyond it."""
    image = PillowImage.new("P", (side_px, side_px), 1)
    image.putpalette([0, 0, 0, 250, 0, 0])
    content = files.encoded(image, "GIF")
    at = content.index(b"\x2c", 13 + 3 * (2 << (content[10] & 7)) if content[10] & 0x80 else 13)
    screen = content[:6] + struct.pack("<HH", 10, 10) + content[10:at]
    return screen + b"\x2c" + struct.pack("<HH", left_px, top_px) + content[at + 5 :]


def exif_with(entries: Sequence[tuple[int, int, int, int]], next_at: int) -> bytes:
    """EXIF with one directory of (tag, type, count, value), and where the next one is said to be."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    counted = struct.pack("<H", len(entries)) + directory
    return b"Exif\x00\x00II*\x00" + struct.pack("<I", 8) + counted + struct.pack("<I", next_at)


def heic() -> bytes:
    """The start of a HEIC file."""
    brand = b"ftypheic" + bytes(4) + b"mif1heic"
    return struct.pack(">I", len(brand) + 4) + brand + bytes(200)


def avif_sized(width_px: int, height_px: int) -> bytes:
    """An AVIF whose `ispe` property claims another size."""
    content = whole("AVIF")
    at = content.index(b"ispe") + 8
    return content[:at] + struct.pack(">II", width_px, height_px) + content[at + 8 :]


def bmp_upside_down() -> bytes:
    """A BMP whose height is the lowest number of all."""
    content = files.encoded(files.photo(), "BMP")
    return content[:22] + struct.pack("<i", -(2**31)) + content[26:]


def tiff_bomb(side_px: int) -> bytes:
    """A TIFF of one colour, compressed with deflate."""
    return files.encoded(
        PillowImage.new("L", (side_px, side_px)), "TIFF", compression="tiff_adobe_deflate"
    )


def webp_lossless_noise() -> bytes:
    """A lossless WebP with noise for its Huffman tables, the shape of CVE-2023-4863."""
    content = files.encoded(files.photo(51, 51), "WEBP", lossless=True)
    return content[:25] + noise(len(content) - 25)
