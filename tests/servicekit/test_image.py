from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from services.servicekit.errors import ItemRejected
from services.servicekit.image import DecodeLimits, decode, pixels_to_rgb
from services.servicekit.rejection import RejectionCode
from tests.fakes import image_files as files

LIMITS = DecodeLimits()
WHOLE = {
    name: files.encoded(files.photo(), name) for name in ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
}

NOISE = bytes(range(1, 256)) * 100
LOSSLESS = files.encoded(files.photo(51, 51), "WEBP", lossless=True)


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def rejection(content: bytes, limits: DecodeLimits = LIMITS) -> ItemRejected:
    with pytest.raises(ItemRejected) as caught:
        decode(content, limits)
    return caught.value


UNSUPPORTED = {
    "nothing": b"",
    "one byte": b"\xff",
    "start of a JPEG alone": b"\xff\xd8",
    "HTML": files.HTML,
    "SVG": files.SVG,
    "EPS": files.EPS,
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
    "gzip around a JPEG": files.gzipped_jpeg(),
    "TIFF": files.encoded(files.photo(), "TIFF"),
    "BMP": files.encoded(files.photo(), "BMP"),
    "ICO": files.encoded(files.photo(), "ICO"),
    "PPM": files.encoded(files.photo(), "PPM"),
    "XBM of 99999 a side": b"#define w_width 99999\n#define w_height 99999\nstatic char w_bits[]={",
    "PNG without pixels": files.png(0, 0, b""),
    "half an AVIF": half(WHOLE["AVIF"]),
}


@pytest.mark.parametrize("content", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_no_image_of_a_known_format_is_rejected(content):
    """The allow-list holds whatever the bytes pretend to be, and the reason names the formats."""
    error = rejection(content)

    assert error.code is RejectionCode.UNSUPPORTED_FORMAT
    assert error.reason == "not a JPEG, PNG, WEBP, GIF or AVIF file"


TOO_MANY_PIXELS = {
    "a header of 2^31 a side": files.png(2**31 - 1, 2**31 - 1, b""),
    "a header of 165 megapixels": files.png(15_000, 11_000, b""),
    "81 real megapixels": files.png_bomb(9_000),
    "one side over 16384": files.encoded(files.photo(16_385, 2), "PNG"),
}


@pytest.mark.parametrize("content", TOO_MANY_PIXELS.values(), ids=TOO_MANY_PIXELS)
def test_too_many_pixels_are_rejected_by_the_header(content):
    """A decompression bomb is refused before it is unpacked."""
    assert len(content) < 200_000
    assert rejection(content).code is RejectionCode.TOO_MANY_PIXELS


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_metadata_bomb_is_rejected(kind):
    """A text or colour profile that unpacks to 64 MB is refused, not unpacked."""
    content = files.png_with_chunk_bomb(kind)

    assert len(content) < 100_000
    assert rejection(content).code is RejectionCode.METADATA_BOMB


TRUNCATED = {
    **{f"half a {name}": half(WHOLE[name]) for name in ("JPEG", "PNG", "WEBP", "GIF")},
    "a JPEG less 10 bytes": WHOLE["JPEG"][:-10],
    "half a lossless WEBP": half(LOSSLESS),
}


@pytest.mark.parametrize("content", TRUNCATED.values(), ids=TRUNCATED)
def test_a_cut_file_is_rejected_as_truncated(content):
    """A half image is never taken for a whole one."""
    assert rejection(content).code is RejectionCode.TRUNCATED


CORRUPT = {
    "a wrong checksum": files.png_with_bad_crc(),
    "pixels that are not zlib": files.png_with_pixels(b"no zlib stream at all"),
    "Huffman tables of noise": LOSSLESS[:25] + NOISE[: len(LOSSLESS) - 25],
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_broken_file_is_rejected_as_corrupt(content):
    """The header is right, the rest is not."""
    error = rejection(content)

    assert error.code is RejectionCode.CORRUPT
    assert error.reason.startswith("it does not decode: ")


def test_one_pixel_is_too_small():
    """A tracking pixel is no image."""
    assert rejection(files.encoded(files.photo(1, 1), "PNG")).code is RejectionCode.TOO_SMALL
    assert decode(files.encoded(files.photo(2, 2), "PNG"), LIMITS).rgb.shape == (2, 2, 3)


def test_exactly_the_limits_pass():
    """Bytes and pixels at the limit are in, one more is out."""
    content = WHOLE["PNG"]
    exact = DecodeLimits(max_bytes=len(content), max_pixels=96 * 64)

    assert decode(content, exact).rgb.shape == (64, 96, 3)
    over_bytes = rejection(content + b"x", exact)
    over_pixels = rejection(content, DecodeLimits(max_pixels=96 * 64 - 1))
    assert over_bytes.code is RejectionCode.TOO_MANY_BYTES
    assert f"{len(content) + 1:,} bytes" in over_bytes.reason
    assert over_pixels.code is RejectionCode.TOO_MANY_PIXELS
    assert "96x64" in over_pixels.reason


@pytest.mark.parametrize("name", WHOLE)
def test_each_format_decodes(name):
    """The pixels come back, as near as the format keeps them."""
    image = decode(WHOLE[name], LIMITS)

    assert (image.format, image.animated) == (name, False)
    assert image.rgb.shape == (64, 96, 3)
    assert image.rgb.dtype == np.uint8
    difference = np.abs(image.rgb.astype(int) - files.photo().astype(int)).mean()
    assert difference < (1e-9 if name == "PNG" else 15)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "MPO"])
def test_of_several_frames_the_first_is_taken(name):
    """Animations and multi-picture JPEGs are their first frame, and say that there are more."""
    image = decode(files.animation(name), LIMITS)

    assert image.animated
    assert image.format == ("JPEG" if name == "MPO" else name)
    assert image.rgb.max() <= 4


GREY = PillowImage.fromarray(files.photo()[..., 0])
HALF_CLEAR = PillowImage.merge("LA", (GREY, PillowImage.new("L", GREY.size, 0)))


def palette_with_transparency() -> bytes:
    image = PillowImage.new("P", (8, 8), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((7, 7), 1)
    return files.encoded(image, "PNG", transparency=0)


MODES = {
    "CMYK": (files.encoded(PillowImage.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), (254, 0, 0)),
    "grey": (files.encoded(PillowImage.new("L", (8, 8), 90), "PNG"), (90, 90, 90)),
    "grey, all clear": (files.encoded(HALF_CLEAR, "PNG"), (255, 255, 255)),
    "palette with a clear colour": (palette_with_transparency(), (255, 255, 255)),
    "all clear": (files.encoded(PillowImage.new("RGBA", (8, 8), (9, 9, 9, 0)), "PNG"), (255,) * 3),
    "half clear": (
        files.encoded(PillowImage.new("RGBA", (8, 8), (0, 0, 0, 128)), "PNG"),
        (127, 127, 127),
    ),
    "1 bit": (files.encoded(PillowImage.new("1", (8, 8), 1), "PNG"), (255, 255, 255)),
}


@pytest.mark.parametrize(("content", "expected"), MODES.values(), ids=MODES)
def test_every_colour_mode_becomes_rgb_over_white(content, expected):
    """One rule for transparency everywhere: it lies over white."""
    rgb = decode(content, LIMITS).rgb

    assert rgb.shape[2] == 3
    assert np.abs(rgb[0, 0].astype(int) - expected).max() <= 2


def test_sixteen_bits_are_scaled_not_clipped():
    """A gradient over all 16 bits stays a gradient over all 8; a plain `convert` gives white."""
    gradient = np.tile(np.linspace(0, 65_535, 256).astype(np.uint16), (16, 1))

    rgb = decode(files.encoded(PillowImage.fromarray(gradient), "PNG"), LIMITS).rgb

    assert rgb.mean() == pytest.approx(127.5, abs=1)
    assert (rgb.min(), rgb.max()) == (0, 255)


def corners() -> np.ndarray:
    rgb = np.zeros((32, 64, 3), np.uint8)
    rgb[:16, :32] = (250, 0, 0)
    return rgb


@pytest.mark.parametrize(
    ("orientation", "shape", "red_corner"),
    [
        (1, (32, 64), (0, 0)),
        (3, (32, 64), (-1, -1)),
        (6, (64, 32), (0, -1)),
        (8, (64, 32), (-1, 0)),
        (99, (32, 64), (0, 0)),
    ],
)
def test_images_are_turned_upright(orientation, shape, red_corner):
    """EXIF orientation is applied; one that does not exist is ignored."""
    rgb = decode(files.jpeg_with_orientation(corners(), orientation), LIMITS).rgb

    assert rgb.shape[:2] == shape
    red = [spot for spot in [(0, 0), (0, -1), (-1, 0), (-1, -1)] if rgb[spot][0] > 200]
    assert red == [red_corner]


@pytest.mark.parametrize("name", ["PNG", "WEBP", "AVIF"])
def test_other_formats_are_turned_upright_too(name):
    """EXIF stands in more than JPEGs."""
    exif = PillowImage.Exif()
    exif[0x0112] = 6

    rgb = decode(files.encoded(corners(), name, exif=exif.tobytes()), LIMITS).rgb

    assert rgb.shape == (64, 32, 3)
    assert rgb[0, -1][0] > 200


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00garbage, and more of it",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01\x03\x00",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00",
    ],
    ids=["no TIFF", "IFD cut short", "next IFD cut short"],
)
def test_broken_exif_is_dropped(exif):
    """It is no reason to reject the image, nor to warn on stderr."""
    assert decode(files.encoded(corners(), "JPEG", exif=exif), LIMITS).rgb.size == 32 * 64 * 3


def test_a_broken_colour_profile_is_ignored():
    """Colours are taken as they are."""
    content = files.encoded(corners(), "JPEG", icc_profile=b"garbage" * 400)

    assert decode(content, LIMITS).rgb.shape == (32, 64, 3)


def test_threads_decode_beside_each_other_and_leave_the_warnings_alone():
    """Hiding Pillow's warnings in one thread shows none in another, and hides no one else's."""
    warns = files.png(10_000, 9_500, b"")
    decodes = files.encoded(files.photo(600, 400), "JPEG")

    def outcome(number: int) -> RejectionCode | None:
        try:
            decode(warns if number % 2 else decodes, LIMITS)
        except ItemRejected as error:
            return error.code
        return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(outcome, range(200)))
    assert outcomes == [None, RejectionCode.TOO_MANY_PIXELS] * 100
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)
    with pytest.raises(UserWarning, match="still an error"):
        warnings.warn("still an error", UserWarning, stacklevel=1)


SEEDS = [*WHOLE.values(), files.animation("GIF"), files.animation("WEBP"), files.animation("PNG")]


@st.composite
def mutated_images(draw) -> bytes:
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 12))):
        at = draw(st.integers(0, len(content) - 1))
        content[at] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        other = draw(st.sampled_from(SEEDS))
        content[start:end] = other[start : start + draw(st.integers(0, 200))]
    return bytes(content)


@settings(max_examples=400)
@given(mutated_images())
def test_a_mutated_image_is_an_image_or_a_rejection(content):
    """Whatever the bytes, the outcome is one of the two: never another exception."""
    limits = DecodeLimits(max_pixels=2_000_000)
    try:
        rgb = decode(content, limits).rgb
    except ItemRejected as error:
        code, reason = error.code, error.reason
    else:
        assert (rgb.dtype, rgb.shape[2]) == (np.uint8, 3)
        assert rgb.shape[0] * rgb.shape[1] <= limits.max_pixels
        return
    assert code in RejectionCode
    assert reason


def test_pixels_are_viewed_as_they_are():
    """Row by row from the top left, channels interleaved."""
    rgb = files.photo(5, 3)

    assert np.array_equal(pixels_to_rgb(rgb.tobytes(), height_px=3, width_px=5), rgb)


@pytest.mark.parametrize(
    ("length", "height_px", "width_px"),
    [(44, 3, 5), (46, 3, 5), (0, 0, 0), (0, 0, 5), (45, -3, -5), (16_385 * 3, 1, 16_385)],
)
def test_pixels_of_another_length_are_rejected(length, height_px, width_px):
    """The sides must be 1 to 16384 and explain every byte."""
    with pytest.raises(ItemRejected) as caught:
        pixels_to_rgb(bytes(length), height_px=height_px, width_px=width_px)

    assert caught.value.code is RejectionCode.BAD_PIXELS
    assert f"{width_px}x{height_px}" in caught.value.reason
