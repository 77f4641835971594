"""Other decoders and resizers, as far as their packages are installed; all but vips after the services' own checks.

simplejpeg and OpenCV carry libjpeg-turbo, pyvips-binary libvips and libjpeg-turbo; cykooz-resizer carries the Rust
crate fast_image_resize.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from benchmarks.decoding.pillow_ways import BICUBIC
from benchmarks.decoding.way import Way
from services.servicekit.image import DecodeLimits, Rgb, as_pillow, open_image
from services.servicekit.resize import InputShape, to_input

Resize = Callable[[Rgb, int], Rgb]


def other_ways() -> tuple[list[Way], list[str]]:
    """The ways whose packages are installed, and the modules that are not."""
    makers = {
        "simplejpeg": _simplejpeg_ways,
        "cv2": _opencv_ways,
        "pyvips": _vips_ways,
        "cykooz_resizer": _cykooz_ways,
    }
    found: list[Way] = []
    missing: list[str] = []
    for name, make in makers.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            missing.append(name)
        else:
            found += make(module)
    return found, missing


def _bicubic(rgb: Rgb, side_px: int) -> Rgb:
    return np.asarray(as_pillow(rgb).resize((side_px, side_px), BICUBIC))


def _simplejpeg_ways(simplejpeg: Any) -> list[Way]:
    def whole(encoded: bytes, side_px: int) -> Rgb:
        open_image(encoded, DecodeLimits())
        return _bicubic(simplejpeg.decode_jpeg(encoded, "RGB"), side_px)

    def fast(encoded: bytes, side_px: int) -> Rgb:
        open_image(encoded, DecodeLimits())
        rgb = simplejpeg.decode_jpeg(encoded, "RGB", fastdct=True, fastupsample=True)
        return _bicubic(rgb, side_px)

    def reduced(encoded: bytes, side_px: int) -> Rgb:
        open_image(encoded, DecodeLimits())
        at_least = {"min_height": 2 * side_px, "min_width": 2 * side_px}
        return _bicubic(simplejpeg.decode_jpeg(encoded, "RGB", **at_least), side_px)

    def scaled(encoded: bytes, side_px: int) -> Rgb:
        open_image(encoded, DecodeLimits())
        rgb = simplejpeg.decode_jpeg(encoded, "RGB")
        return to_input(rgb, InputShape(side_px, side_px))

    return [
        Way("simplejpeg, all pixels; cykooz-resizer as the services", scaled),
        Way("simplejpeg, all pixels; Pillow", whole),
        Way("simplejpeg, fast DCT and chroma; Pillow", fast),
        Way("simplejpeg, scale with 2 x the side; Pillow", reduced),
    ]


def _opencv_ways(cv2: Any) -> list[Way]:
    cv2.setNumThreads(1)

    def decoded(encoded: bytes, flag: int) -> Rgb:
        open_image(encoded, DecodeLimits())
        return cv2.imdecode(np.frombuffer(encoded, np.uint8), flag)[:, :, ::-1]  # type: ignore[no-any-return]

    def area(rgb: Rgb, side_px: int) -> Rgb:
        return cv2.resize(rgb, (side_px, side_px), interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]

    def area_then_cubic(rgb: Rgb, side_px: int) -> Rgb:
        """OpenCV's cubic has no antialiasing: it is for what is twice as large at most."""
        height_px, width_px = rgb.shape[:2]
        half = (min(width_px, 2 * side_px), min(height_px, 2 * side_px))
        middle = cv2.resize(rgb, half, interpolation=cv2.INTER_AREA)
        return cv2.resize(middle, (side_px, side_px), interpolation=cv2.INTER_CUBIC)  # type: ignore[no-any-return]

    def way(flag: int, resize: Resize, encoded: bytes, side_px: int) -> Rgb:
        return resize(np.ascontiguousarray(decoded(encoded, flag)), side_px)

    whole, half = cv2.IMREAD_COLOR, cv2.IMREAD_REDUCED_COLOR_2
    return [
        Way("OpenCV, all pixels; Pillow", partial(way, whole, _bicubic)),
        Way("OpenCV, half scale; Pillow", partial(way, half, _bicubic)),
        Way("OpenCV, all pixels; INTER_AREA", partial(way, whole, area)),
        Way("OpenCV, all pixels; INTER_AREA, then cubic", partial(way, whole, area_then_cubic)),
    ]


def _vips_ways(pyvips: Any) -> list[Way]:
    # It remembers what it did for the same bytes.
    pyvips.cache_set_max(0)

    def thumbnail(encoded: bytes, side_px: int) -> Rgb:
        open_image(encoded, DecodeLimits())
        small = pyvips.Image.thumbnail_buffer(encoded, side_px, height=side_px, size="force")
        return small.numpy()  # type: ignore[no-any-return]

    def whole(encoded: bytes, side_px: int) -> Rgb:
        open_image(encoded, DecodeLimits())
        image = pyvips.Image.new_from_buffer(encoded, "", access="sequential")
        scales = {"vscale": side_px / image.height, "kernel": "cubic", "gap": 0}
        return image.resize(side_px / image.width, **scales).numpy()  # type: ignore[no-any-return]

    return [
        Way("vips, thumbnail at reduced scale", thumbnail),
        Way("vips, all pixels, cubic", whole),
    ]


def _cykooz_ways(cykooz: Any) -> list[Way]:
    options = cykooz.ResizeOptions(
        resize_alg=cykooz.ResizeAlg.convolution(cykooz.FilterType.catmull_rom), use_alpha=False
    )

    def whole(encoded: bytes, side_px: int) -> Rgb:
        opened = open_image(encoded, DecodeLimits()).rgb()
        assert isinstance(opened, PillowImage.Image)
        pixel_type = cykooz.PixelType.U8x3
        source = cykooz.ImageData(opened.width, opened.height, pixel_type, opened.tobytes())
        target = cykooz.ImageData(side_px, side_px, pixel_type)
        cykooz.Resizer().resize(source, target, options)
        return np.frombuffer(target.get_buffer(), np.uint8).reshape(side_px, side_px, 3)

    return [Way("Pillow, all pixels; cykooz-resizer in one step", whole)]
