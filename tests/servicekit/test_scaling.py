from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from services.servicekit import scaling
from services.servicekit.scaling import scale
from tests.fakes.image_files import photo

BICUBIC = PillowImage.Resampling.BICUBIC


def by_pillow(rgb, size, box):
    """Pillow's own bicubic in the two steps that the rule names."""
    left, top, right, bottom = box
    height = rgb.shape[0]
    narrow = PillowImage.fromarray(rgb).resize((size[0], height), BICUBIC, (left, 0, right, height))
    return np.asarray(narrow.resize(size, BICUBIC, (0, top, size[0], bottom)), dtype=int)


CASES = {
    "wide": ((300, 200), (32, 24), (0, 0, 300, 200)),
    "tall": ((200, 300), (32, 24), (0, 0, 200, 300)),
    "enlarged": ((30, 20), (64, 48), (0, 0, 30, 20)),
    "down only": ((64, 700), (64, 48), (0, 0, 64, 700)),
    "a strip": ((20, 400), (32, 24), (0, 0, 20, 400)),
    "a part": ((301, 207), (32, 24), (30.25, 10.5, 270.75, 190.125)),
    "some rows of many": ((90, 1_000), (32, 24), (0, 400.5, 90, 600)),
    "in several bands": ((2_000, 900), (224, 224), (0, 0, 2_000, 900)),
}


@pytest.mark.parametrize(("size", "target", "box"), CASES.values(), ids=CASES)
def test_it_is_pillows_bicubic_but_for_one_level_here_and_there(size, target, box):
    """Of the whole and of parts; from arrays and from Pillow's images alike."""
    rgb = photo(*size)

    found = scale(rgb, target, box)

    difference = np.abs(found.astype(int) - by_pillow(rgb, target, box))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02
    assert np.array_equal(scale(PillowImage.fromarray(rgb), target, box), found)


@pytest.mark.parametrize(("size", "target", "box"), CASES.values(), ids=CASES)
def test_without_the_package_pillow_scales(monkeypatch, size, target, box):
    """In the same two steps, so that the result is the same but for one level."""
    monkeypatch.setattr(scaling, "fast", None)
    rgb = photo(*size)

    assert np.array_equal(scale(rgb, target, box), by_pillow(rgb, target, box))


def test_bands_leave_no_seam(monkeypatch):
    """Row by row gives what all rows at once give."""
    rgb = photo(120, 90)
    box = (3.5, 7.25, 117.0, 80.0)

    whole = scale(rgb, (50, 40), box)
    monkeypatch.setattr(scaling, "_BAND_BYTES", 1)

    assert np.array_equal(scale(rgb, (50, 40), box), whole)


def test_an_even_area_stays_as_it_is():
    """The weights add up to one, at the edges too."""
    for level in (0, 1, 127, 254, 255):
        rgb = np.full((37, 53, 3), level, np.uint8)

        assert np.unique(scale(rgb, (29, 224), (0, 0, 53, 37))).tolist() == [level]


@given(st.data(), st.integers(1, 300), st.integers(1, 300))
def test_every_part_of_every_image_is_scaled(data, width_px, height_px):
    """No rounding puts the part outside the image."""
    lefts, tops = (st.floats(0, side - 0.5) for side in (width_px, height_px))
    left, top = data.draw(lefts), data.draw(tops)
    box = (left, top, float(width_px), float(height_px))

    found = scale(np.zeros((height_px, width_px, 3), np.uint8), (5, 4), box)

    assert found.shape == (4, 5, 3)
