"""What is no image of a known format, and the images of each that are."""

from __future__ import annotations

import io
import pickle

import numpy as np

from tests.fakes import image_files as files
from tests.hostile import image_builders as build
from tests.hostile.image_case import ImageCase

_UNSUPPORTED = "UNSUPPORTED_FORMAT"
_PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
_XBM = b"#define w_width 99999\n#define w_height 99999\nstatic char w_bits[] = {\n0x00, 0x01"
_FITS = b"".join(
    card.ljust(80)
    for card in (
        b"SIMPLE  =                    T",
        b"BITPIX  =                    8",
        b"NAXIS   =                    2",
        b"NAXIS1  =               100000",
        b"NAXIS2  =               100000",
        b"END",
    )
).ljust(2_880)


def _pickled() -> bytes:
    """A pickled array, as `numpy.save` once wrote objects."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue() + pickle.dumps(files.photo())


def _of(format_name: str, **options: object) -> bytes:
    return files.encoded(files.photo(), format_name, **options)


def _many_tiffs() -> bytes:
    first, *rest = files.frames(3)
    return files.encoded(first, "TIFF", save_all=True, append_images=rest)


FORMAT_CASES: tuple[ImageCase, ...] = (
    ImageCase("0", "a JPEG", lambda: _of("JPEG"), size_px=(96, 64), flat=False),
    ImageCase("0b", "a PNG", lambda: _of("PNG"), size_px=(96, 64), flat=False),
    ImageCase("0c", "a WebP", lambda: _of("WEBP"), size_px=(96, 64), flat=False),
    ImageCase("0d", "a GIF", lambda: _of("GIF"), size_px=(96, 64), flat=False),
    ImageCase("0e", "an AVIF", lambda: _of("AVIF"), size_px=(96, 64), flat=False),
    ImageCase("0f", "a lossless WebP", lambda: _of("WEBP", lossless=True), size_px=(96, 64)),
    ImageCase("0g", "a progressive JPEG", lambda: _of("JPEG", progressive=True), size_px=(96, 64)),
    ImageCase("1", "nothing", bytes, _UNSUPPORTED),
    ImageCase("2", "one byte", lambda: b"\xff", _UNSUPPORTED),
    ImageCase("3", "the first mark of a JPEG alone", lambda: b"\xff\xd8", _UNSUPPORTED),
    ImageCase("3b", "three bytes of a JPEG", lambda: b"\xff\xd8\xff", _UNSUPPORTED),
    ImageCase("4", "HTML", lambda: files.HTML, _UNSUPPORTED),
    ImageCase("5", "a PDF", lambda: _PDF, _UNSUPPORTED),
    ImageCase("6", "an SVG with an external entity", lambda: files.SVG, _UNSUPPORTED),
    ImageCase("7", "a JPEG inside gzip", files.gzipped_jpeg, _UNSUPPORTED),
    ImageCase("8", "a pickled NumPy array", _pickled, _UNSUPPORTED),
    ImageCase("9", "an ICO", lambda: _of("ICO"), _UNSUPPORTED),
    ImageCase("10", "a BMP", lambda: _of("BMP"), _UNSUPPORTED),
    ImageCase("11", "a TIFF", lambda: _of("TIFF"), _UNSUPPORTED),
    ImageCase("12", "a TIFF of three pages", _many_tiffs, _UNSUPPORTED),
    ImageCase(
        "13", "a TIFF of 84 megapixels in deflate", lambda: build.tiff_bomb(9_165), _UNSUPPORTED
    ),
    ImageCase("14", "a JPEG 2000", lambda: _of("JPEG2000"), _UNSUPPORTED),
    ImageCase("15", "an EPS", lambda: files.EPS, _UNSUPPORTED),
    ImageCase("16", "an XBM of 99,999 a side", lambda: _XBM, _UNSUPPORTED),
    ImageCase(
        "17", "a PPM of 100,000 a side", lambda: b"P6\n100000 100000\n255\n\x00", _UNSUPPORTED
    ),
    ImageCase("18", "a FITS of 100,000 a side", lambda: _FITS, _UNSUPPORTED),
    ImageCase("19", "the start of a HEIC", build.heic, _UNSUPPORTED),
    ImageCase("20", "a PNG without pixels", lambda: files.png(0, 0, b""), _UNSUPPORTED),
    ImageCase("20b", "a PNG without width", lambda: files.png(0, 9, bytes(9)), _UNSUPPORTED),
    ImageCase("21", "half an AVIF", lambda: build.half(build.whole("AVIF")), _UNSUPPORTED),
)


def of_other_formats() -> dict[str, bytes]:
    """Files that are images, if of no format that is taken: Pillow itself opens them."""
    numbers = {"9", "10", "11", "12", "13", "14", "15"}
    return {case.number: case.make() for case in FORMAT_CASES if case.number in numbers}
