"""Pictures made small."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from lodestone.cli.pictures.thumbnail import NoThumbnail, make_thumbnail


def encoded(image, form="JPEG", **options):
    """An image as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def opened(jpeg):
    """A thumbnail, decoded."""
    image = PillowImage.open(io.BytesIO(jpeg))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


@pytest.mark.parametrize(
    ("size", "small"), [((1600, 1200), (256, 192)), ((100, 3000), (9, 256)), ((80, 60), (80, 60))]
)
def test_no_side_is_over_256_pixels(size, small):
    """The shape stays; a small picture is not made larger."""
    assert opened(make_thumbnail(encoded(PillowImage.new("RGB", size, "teal")))).size == small


def test_it_is_upright():
    """A picture that EXIF turns by 90 degrees, without EXIF afterwards."""
    picture = PillowImage.new("RGB", (400, 200), "red")
    picture.paste("blue", (0, 0, 200, 200))
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    small = opened(make_thumbnail(encoded(picture, exif=exif)))
    assert small.size == (128, 256)
    assert small.getpixel((64, 30))[2] > 200
    assert small.getpixel((64, 220))[0] > 200
    assert not small.getexif()


@pytest.mark.parametrize(
    ("mode", "form", "color"),
    [("RGBA", "PNG", (0, 0, 0, 0)), ("LA", "PNG", (0, 0)), ("RGBA", "WEBP", (0, 0, 0, 0))],
)
def test_what_is_clear_is_white(mode, form, color):
    """As the encoder sees it."""
    small = opened(make_thumbnail(encoded(PillowImage.new(mode, (64, 64), color), form)))
    assert min(small.getpixel((32, 32))) > 250


@pytest.mark.parametrize("mode", ["L", "1", "P", "I;16", "CMYK"])
def test_other_modes_become_rgb(mode):
    """Grey, bilevel, palette, 16 bit, CMYK."""
    form = "JPEG" if mode == "CMYK" else "PNG"
    assert opened(make_thumbnail(encoded(PillowImage.new(mode, (300, 30)), form))).size == (256, 26)


def test_noise_stays_under_the_limit():
    """Nothing compresses worse; the quality gives way."""
    noise = np.random.default_rng(7).integers(0, 256, (256, 256, 3), np.uint8)
    assert len(make_thumbnail(encoded(PillowImage.fromarray(noise), "PNG"))) <= 65_536


def test_a_thumbnail_stays_as_it_is():
    """Made small again, it is the same file: a refit loses nothing."""
    once = make_thumbnail(encoded(PillowImage.effect_noise((640, 480), 64).convert("RGB")))
    assert make_thumbnail(once) == once


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 torn", b"BM" + bytes(99)])
def test_what_does_not_decode_has_none(content):
    """One error, whatever the decoder says."""
    with pytest.raises(NoThumbnail):
        make_thumbnail(content)
