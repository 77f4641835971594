from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFilter

from services.crawler.decoding.detail import detail_ratio
from services.crawler.seen.better_copy import SHOWN_RATIO
from tests.crawler.pictures import reencode, resized, scene

WIDTH_PX, HEIGHT_PX = 900, 600
RESAMPLING = PillowImage.Resampling


def grey(rgb):
    return PillowImage.fromarray(rgb).convert("L")


def enlarged(rgb, how):
    small = PillowImage.fromarray(rgb)
    return np.asarray(small.resize((WIDTH_PX, HEIGHT_PX), how))


def smaller(rgb, factor):
    width_px, height_px = round(WIDTH_PX / factor), round(HEIGHT_PX / factor)
    return resized(rgb, width_px, height_px), width_px * height_px


@pytest.mark.parametrize(("factor", "quality"), [(1.5, 95), (2.0, 95), (3.0, 95), (3.0, 75)])
def test_what_was_larger_has_more_detail(factor, quality):
    """Than its smaller copy can hold; a JPEG of it too."""
    original = reencode(scene(1, width_px=WIDTH_PX, height_px=HEIGHT_PX), quality=quality)
    _, beyond_px = smaller(original, factor)
    assert detail_ratio(grey(original), beyond_px) >= SHOWN_RATIO


@pytest.mark.parametrize("factor", [1.5, 2.0, 3.0])
@pytest.mark.parametrize(
    "how", [RESAMPLING.NEAREST, RESAMPLING.BILINEAR, RESAMPLING.BICUBIC, RESAMPLING.LANCZOS]
)
@pytest.mark.parametrize("quality", [None, 90])
def test_an_enlargement_has_no_more(factor, how, quality):
    """Whatever filter made it, and as a JPEG as well."""
    small, beyond_px = smaller(scene(2, width_px=WIDTH_PX, height_px=HEIGHT_PX), factor)
    large = enlarged(small, how)
    if quality:
        large = reencode(large, quality=quality)
    assert detail_ratio(grey(large), beyond_px) < SHOWN_RATIO


def test_sharpening_adds_no_detail():
    """It only makes stronger what is there."""
    small, beyond_px = smaller(scene(3, width_px=WIDTH_PX, height_px=HEIGHT_PX), 2.0)
    large = PillowImage.fromarray(enlarged(small, RESAMPLING.BICUBIC))
    sharpened = large.filter(ImageFilter.UnsharpMask(2, 150, 0))
    assert detail_ratio(sharpened.convert("L"), beyond_px) < SHOWN_RATIO


def test_what_is_too_small_to_tell_shows_nothing():
    """Nor does a plain colour; neither divides by nothing."""
    assert detail_ratio(PillowImage.new("L", (2, 2), 7), 1) == 0.0
    assert detail_ratio(PillowImage.new("L", (400, 300), 7), 30_000) == 0.0
    tiny = grey(scene(4, width_px=16, height_px=12))
    assert detail_ratio(tiny, 190) == 0.0
