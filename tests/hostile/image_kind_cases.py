"""Images that are valid and odd: several frames, other colours, turned, with metadata of garbage, seen before."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms

from services.crawler.crawl.placeholders import Placeholders
from services.crawler.seen.perceptual_hash import fingerprint
from services.servicekit.image import Rgb
from tests.crawler.pictures import scene
from tests.fakes import image_files as files
from tests.hostile import image_builders as build
from tests.hostile.image_case import Color, ImageCase
from tests.hostile.image_colors_made import (
    alpha_zero,
    cmyk,
    gradient_of_16_bits,
    grey_with_alpha,
    one_bit,
    palette_with_transparency,
    rgb_of_16_bits,
)

_WHITE: Color = (255, 255, 255)
_RED: Color = (250, 0, 0)
_BLACK: Color = (0, 0, 0)
_SIZE = (96, 64)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.html", "<script>alert(1)</script>")
    return buffer.getvalue()


def _red_corner() -> Rgb:
    """64x32, red at the top left."""
    rgb = np.zeros((32, 64, 3), np.uint8)
    rgb[:16, :32] = _RED
    return rgb


def _turned(orientation: int) -> bytes:
    return files.jpeg_with_orientation(_red_corner(), orientation)


def _with(**options: object) -> bytes:
    return files.encoded(_red_corner(), "JPEG", **options)


def _removed() -> Rgb:
    """What a host may show instead of a picture: drawn here, no host's own."""
    return scene(68, width_px=161, height_px=81)


def _by_digest() -> Placeholders:
    return Placeholders.parse(build.digest(files.encoded(_removed(), "PNG")))


def _by_hash() -> Placeholders:
    upright, _ = fingerprint(_removed())
    return Placeholders.parse(upright.hex)


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


_FRAMES = {"size_px": (40, 40), "animated": True, "colors": {(0, 0): _BLACK, (15, 15): _BLACK}}

KIND_CASES: tuple[ImageCase, ...] = (
    ImageCase(
        "44", "a JPEG that is a ZIP as well", lambda: build.whole("JPEG") + _zip(), size_px=_SIZE
    ),
    ImageCase(
        "45",
        "a PNG with a script behind it",
        lambda: build.whole("PNG") + b"<script>alert(1)</script>",
        size_px=_SIZE,
    ),
    ImageCase("46", "a GIF of 500 frames", lambda: files.animation("GIF", 500), **_FRAMES),
    ImageCase("47", "an animated WebP", lambda: files.animation("WEBP"), **_FRAMES),
    ImageCase("48", "an animated PNG", lambda: files.animation("PNG"), **_FRAMES),
    ImageCase("48b", "an animated AVIF", lambda: files.animation("AVIF"), **_FRAMES),
    ImageCase(
        "49",
        "a JPEG with further pictures behind it (MPO)",
        lambda: files.animation("MPO"),
        **_FRAMES,
    ),
    ImageCase(
        "50",
        "a GIF frame outside its screen",
        lambda: build.gif_frame_outside(30, 20, 40),
        size_px=(70, 60),
        colors={(15, 15): _RED},
    ),
    ImageCase("51", "CMYK", cmyk, colors={(8, 8): (254, 0, 0)}),
    ImageCase(
        "52",
        "grey",
        lambda: files.encoded(PillowImage.new("L", (20, 20), 90), "PNG"),
        colors={(8, 8): (90,) * 3},
    ),
    ImageCase("53", "grey with transparency: over white", grey_with_alpha, colors={(8, 8): _WHITE}),
    ImageCase(
        "54",
        "a palette with a clear colour: over white",
        palette_with_transparency,
        colors={(0, 0): _WHITE},
    ),
    ImageCase("55", "all clear: white", alpha_zero, colors={(8, 8): _WHITE}, flat=True),
    ImageCase("56", "1 bit", one_bit, colors={(0, 0): _BLACK, (15, 15): _WHITE}),
    ImageCase(
        "57",
        "16-bit grey: scaled, not clipped",
        gradient_of_16_bits,
        colors={(8, 0): (8,) * 3, (8, 4): (72,) * 3, (8, 8): (136,) * 3, (8, 15): (247,) * 3},
    ),
    ImageCase("57b", "16-bit RGB", rgb_of_16_bits, colors={(8, 8): (64, 128, 192)}),
    ImageCase(
        "58",
        "EXIF orientation 6",
        lambda: _turned(6),
        size_px=(32, 64),
        colors={(1, 14): _RED, (1, 1): _BLACK},
    ),
    ImageCase(
        "58b",
        "stored wide, turned to 1 to 2.5 by EXIF: shape is that of the upright image",
        lambda: files.jpeg_with_orientation(files.photo(90, 36), 6),
        "EXTREME_ASPECT",
    ),
    ImageCase(
        "58c",
        "stored 1 to 2.5, turned wide by EXIF",
        lambda: files.jpeg_with_orientation(files.photo(36, 90), 6),
        size_px=(90, 36),
    ),
    ImageCase(
        "59",
        "EXIF orientation 8",
        lambda: _turned(8),
        size_px=(32, 64),
        colors={(14, 1): _RED, (1, 1): _BLACK},
    ),
    ImageCase(
        "60",
        "EXIF orientation 99: ignored",
        lambda: _turned(99),
        size_px=(64, 32),
        colors={(1, 1): _RED},
    ),
    ImageCase(
        "60b", "EXIF orientation 1", lambda: _turned(1), size_px=(64, 32), colors={(1, 1): _RED}
    ),
    ImageCase(
        "61",
        "EXIF of garbage: dropped",
        lambda: _with(exif=b"Exif\x00\x00" + build.noise(300)),
        size_px=(64, 32),
    ),
    ImageCase(
        "62",
        "EXIF whose directory names itself as the next",
        lambda: _with(exif=build.exif_with([(0x0112, 3, 1, 6)], 8)),
        size_px=(32, 64),
    ),
    ImageCase(
        "62b",
        "EXIF of 4 billion values",
        lambda: _with(exif=build.exif_with([(0x0112, 3, 0xFFFF_FFFF, 8), (0x8769, 4, 1, 8)], 8)),
        size_px=(64, 32),
    ),
    ImageCase(
        "63",
        "a colour profile of garbage: ignored",
        lambda: _with(icc_profile=build.noise(3_000)),
        size_px=(64, 32),
    ),
    ImageCase(
        "64",
        "the colour profile sRGB",
        lambda: _with(icc_profile=_srgb()),
        size_px=(64, 32),
        colors={(1, 1): _RED},
    ),
    ImageCase(
        "67",
        "flat black: told from others by its digest only",
        lambda: files.encoded(np.zeros((512, 512, 3), np.uint8), "PNG"),
        size_px=(512, 512),
        flat=True,
    ),
    ImageCase(
        "68",
        "a placeholder whose digest is known",
        lambda: files.encoded(_removed(), "PNG"),
        "PLACEHOLDER",
        placeholders=_by_digest,
    ),
    ImageCase(
        "68b",
        "a placeholder, saved anew, whose perceptual hash is known",
        lambda: files.encoded(_removed(), "JPEG", quality=70),
        "PLACEHOLDER",
        placeholders=_by_hash,
    ),
    ImageCase(
        "68c",
        "a placeholder that nobody has listed",
        lambda: files.encoded(_removed(), "PNG"),
        size_px=(161, 81),
    ),
    ImageCase(
        "68d",
        "a picture that is none",
        lambda: files.encoded(scene(3), "PNG"),
        placeholders=_by_hash,
    ),
    ImageCase(
        "72",
        "the same picture saved anew",
        lambda: files.encoded(scene(7), "JPEG", quality=60),
        same_as=lambda: files.encoded(scene(7), "PNG"),
    ),
    ImageCase(
        "73",
        "the mirror image",
        lambda: files.encoded(np.ascontiguousarray(scene(7)[:, ::-1]), "JPEG"),
        same_as=lambda: files.encoded(scene(7), "PNG"),
    ),
    ImageCase(
        "75",
        "noise",
        lambda: files.encoded(
            np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8), "PNG"
        ),
        size_px=(400, 300),
        flat=False,
    ),
)
