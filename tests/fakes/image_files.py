"""Image files made in memory: good ones, odd ones, and files that want to do harm."""

from __future__ import annotations

import gzip
import io
import struct
import zlib

import numpy as np
from PIL import Image as PillowImage

from services.servicekit.image import Rgb

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SVG = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><text>&x;</text></svg>"""
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
HTML = b"<!DOCTYPE html><html><body>image removed</body></html>"


def photo(width_px: int = 96, height_px: int = 64, *, seed: int = 0) -> Rgb:
    """Smooth colours with some noise, (height_px, width_px, 3) uint8; another seed, other colours."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float64)
    waves = [
        127 + 90 * np.sin(x / random.uniform(5, 30) + y / random.uniform(5, 30) + phase)
        for phase in random.uniform(0, 6, 3)
    ]
    noise = random.normal(0, 4, (height_px, width_px, 3))
    return (np.stack(waves, axis=-1) + noise).clip(0, 255).astype(np.uint8)


def encoded(rgb: Rgb | PillowImage.Image, format_name: str, **options: object) -> bytes:
    """The bytes of a file of this format."""
    image = rgb if isinstance(rgb, PillowImage.Image) else PillowImage.fromarray(rgb)
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def jpeg_with_orientation(rgb: Rgb, orientation: int) -> bytes:
    """A JPEG whose EXIF says how to turn it."""
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return encoded(rgb, "JPEG", quality=95, exif=exif.tobytes())


def frames(count: int, *, size_px: int = 40) -> list[PillowImage.Image]:
    """Grey frames, each lighter than the one before."""
    return [PillowImage.new("RGB", (size_px, size_px), (20 * i,) * 3) for i in range(count)]


def animation(format_name: str, count: int = 3) -> bytes:
    """An animated GIF, WebP or PNG, or an MPO."""
    first, *rest = frames(count)
    return encoded(first, format_name, save_all=True, append_images=rest)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk with its right CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width_px: int, height_px: int, scanlines: bytes, *, extra: bytes = b"", grey: bool = False
) -> bytes:
    """An 8-bit PNG from its uncompressed scanlines; `extra` chunks stand before the pixels."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 0 if grey else 2, 0, 0, 0)
    return _png(header, zlib.compress(scanlines, 9), extra)


def png_bomb(side_px: int = 9_000) -> bytes:
    """A valid grey PNG of `side_px`² zeros: 81 million pixels in some 80 KB."""
    return png(side_px, side_px, bytes((side_px + 1) * side_px), grey=True)


def png_with_chunk_bomb(kind: bytes, unpacked_bytes: int = 64_000_000) -> bytes:
    """A tiny PNG with a compressed text (`zTXt`) or colour profile (`iCCP`) that unpacks to much."""
    bomb = b"name\x00\x00" + zlib.compress(bytes(unpacked_bytes), 9)
    return png(4, 4, bytes((4 * 3 + 1) * 4), extra=chunk(kind, bomb))


def png_with_pixels(data: bytes) -> bytes:
    """A 40x40 PNG with this instead of its compressed pixels."""
    return _png(struct.pack(">IIBBBBB", 40, 40, 8, 2, 0, 0, 0), data, b"")


def png_with_bad_crc() -> bytes:
    """A PNG whose pixels do not match their checksum."""
    whole = encoded(photo(), "PNG")
    at = whole.index(b"IDAT") + 40
    return whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]


def gzipped_jpeg() -> bytes:
    """A JPEG inside gzip."""
    return gzip.compress(encoded(photo(), "JPEG"))


def _png(header: bytes, data: bytes, extra: bytes) -> bytes:
    chunks = (chunk(b"IHDR", header), extra, chunk(b"IDAT", data), chunk(b"IEND", b""))
    return PNG_SIGNATURE + b"".join(chunks)
