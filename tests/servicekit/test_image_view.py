from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.servicekit.errors import ItemRejected
from services.servicekit.image import DecodeLimits, decode, open_image, open_pixels
from services.servicekit.image_view import ImageView
from services.servicekit.rejection import RejectionCode
from tests.fakes import image_files as files

LIMITS = DecodeLimits()
LANCZOS = PillowImage.Resampling.LANCZOS


def waves(width_px: int = 1_001, height_px: int = 805) -> np.ndarray:
    """Grey waves, seven across and five down, that lie alike from no two sides: a small shift moves many levels."""
    across, down = np.arange(width_px) / width_px, np.arange(height_px) / height_px
    light = np.sin(14 * np.pi * across)[None, :] + np.sin(10 * np.pi * down + 1)[:, None]
    grey = 128 + 40 * light + 20 * across[None, :] + 10 * down[:, None]
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def jpeg(rgb: np.ndarray, orientation: int = 1, **options: object) -> bytes:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return files.encoded(rgb, "JPEG", quality=95, exif=exif.tobytes(), **options)


def small(grey: ImageView) -> np.ndarray:
    return np.asarray(grey.resize((32, 32), LANCZOS, reducing_gap=100.0), dtype=float)


@pytest.mark.parametrize(("at_least_px", "scale"), [(805, 1), (403, 1), (402, 2), (201, 4), (8, 8)])
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_will_do(at_least_px, scale):
    """Both sides have the pixels that are asked for; the image's own size stays known."""
    image = open_image(jpeg(waves()), LIMITS)

    assert image.grey(at_least_px).pixels.size == (-(-1_001 // scale), -(-805 // scale))
    assert (image.width_px, image.height_px) == (1_001, 805)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("at_least_px", [805, 400, 200, 100])
def test_every_scale_shows_the_same_picture(orientation, at_least_px):
    """Turned as EXIF says, and not shifted by the rows and columns that reach over its edge."""
    content = jpeg(waves(), orientation)
    rgb = decode(content, LIMITS).rgb
    whole = np.asarray(
        PillowImage.fromarray(rgb).convert("L").resize((32, 32), LANCZOS), dtype=float
    )
    image = open_image(content, LIMITS)

    assert (image.width_px, image.height_px) == rgb.shape[1::-1]
    assert np.abs(small(image.grey(at_least_px)) - whole).max() <= 4


@pytest.mark.parametrize("name", ["PNG", "WEBP", "GIF", "AVIF"])
def test_other_formats_have_all_their_pixels(name):
    """Only a JPEG can be decoded at less."""
    image = open_image(files.encoded(files.photo(300, 200), name), LIMITS)

    assert image.grey(8).pixels.size == (300, 200)
    assert image.grey(8).pixels.mode == "L"


def test_pixels_are_an_image_too():
    """They are viewed in grey, and are their own RGB."""
    rgb = files.photo(30, 20)
    image = open_pixels(rgb)

    assert image.rgb() is rgb
    assert (image.width_px, image.height_px, image.format) == (30, 20, "")
    expected = np.asarray(PillowImage.fromarray(rgb).convert("L"))
    assert np.array_equal(np.asarray(image.grey(8).pixels), expected)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_a_jpeg_of_any_mode_has_its_grey(mode):
    """Ink on paper, too: black ink alone gives the grey that the whole image has."""
    picture = PillowImage.fromarray(files.photo(400, 300)).convert(mode)
    image = open_image(files.encoded(picture, "JPEG"), LIMITS)
    whole = PillowImage.fromarray(np.asarray(image.rgb())).convert("L").resize((32, 32), LANCZOS)

    assert np.abs(small(image.grey(64)) - np.asarray(whole, dtype=float)).max() < 3


def damaged(content: bytes, *, progressive: bool) -> dict[str, bytes]:
    return {
        "half": content[: len(content) // 2],
        "nine tenths": content[: len(content) * 9 // 10],
        "without the last 64 bytes": content[:-64],
        "after the first scan": content[: _scans(content)[1]] if progressive else content[:-200],
    }


def _scans(content: bytes) -> list[int]:
    return [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]


@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("at_least_px", [1_000, 500, 250, 125])
def test_a_cut_jpeg_is_found_at_every_scale(progressive, at_least_px):
    """Few pixels are made, but all bytes are read: also of a progressive file, whose first scan shows all of it."""
    rgb = files.photo(1_200, 1_000)
    whole = files.encoded(rgb, "JPEG", quality=85, progressive=progressive)
    assert open_image(whole, LIMITS).grey(at_least_px).pixels.size[0] >= at_least_px

    for name, content in damaged(whole, progressive=progressive).items():
        image = open_image(content, LIMITS)
        with pytest.raises(ItemRejected) as caught:
            image.grey(at_least_px)
        assert caught.value.code is RejectionCode.TRUNCATED, name


def test_a_cut_jpeg_whose_colours_are_apart_is_found():
    """The luma alone is whole; what is missing is of the chroma, which is not decoded."""
    image = PillowImage.fromarray(files.photo(800, 600))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, progressive=True, subsampling="4:4:4")
    content = buffer.getvalue()
    last_scan = content.rindex(b"\xff\xda")

    opened = open_image(content[: last_scan + 200], LIMITS)
    with pytest.raises(ItemRejected) as caught:
        opened.grey(64)
    assert caught.value.code is RejectionCode.TRUNCATED
