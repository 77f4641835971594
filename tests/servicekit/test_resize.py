from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from services.servicekit.image import DecodeLimits, decode, open_image, open_pixels
from services.servicekit.resize import InputShape, ResizeRule, inputs_of, to_input
from tests.fakes.image_files import encoded, photo

BICUBIC = PillowImage.Resampling.BICUBIC


def test_pixels_of_the_input_size_are_returned_as_they_are():
    """A caller that has resized already pays nothing and changes nothing."""
    rgb = photo(40, 30)

    for rule in ResizeRule:
        assert to_input(rgb, InputShape(40, 30, rule)) is rgb


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (20, 400), (7, 5)])
def test_squash_scales_both_sides_on_their_own(size):
    """The same as Pillow's own antialiased bicubic resize of the whole image, across first, but for one level."""
    rgb = photo(*size)
    across = PillowImage.fromarray(rgb).resize((32, rgb.shape[0]), BICUBIC)
    expected = np.asarray(across.resize((32, 24), BICUBIC), dtype=int)

    found = to_input(rgb, InputShape(32, 24))

    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(256, 128), (128, 640), (96, 32), (32, 48), (64, 192)])
def test_center_crop_scales_the_shorter_side_and_cuts_the_middle(size):
    """The same as to scale the whole image and cut then, but for what the edge of the cut sees."""
    rgb = photo(*size)
    width_px, height_px = (side * 32 // min(size) for side in size)
    left, top = (width_px - 32) // 2, (height_px - 32) // 2
    scaled = PillowImage.fromarray(rgb).resize((width_px, height_px), BICUBIC)
    expected = np.asarray(scaled.crop((left, top, left + 32, top + 32)), dtype=int)

    found = to_input(rgb, InputShape(32, 32, ResizeRule.CENTER_CROP))

    difference = np.abs(found.astype(int) - expected)
    assert difference[2:-2, 2:-2].max() <= 1
    assert difference.mean() < 0.5


def test_center_crop_drops_the_ends_and_squash_keeps_them():
    """On a wide image with red ends, the crop sees no red and the squash does."""
    rgb = np.zeros((100, 400, 3), np.uint8)
    rgb[:, :120, 0] = rgb[:, -120:, 0] = 255

    cropped = to_input(rgb, InputShape(32, 32, ResizeRule.CENTER_CROP))
    squashed = to_input(rgb, InputShape(32, 32, ResizeRule.SQUASH))

    assert cropped[..., 0].max() == 0
    assert squashed[:, 0, 0].min() == squashed[:, -1, 0].min() == 255


@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.sampled_from([(224, 224), (256, 192), (3, 5)]),
    st.sampled_from(list(ResizeRule)),
)
def test_every_size_comes_to_the_input_size(size, target, rule):
    """No rounding of the crop's box puts it outside the image."""
    found = to_input(np.zeros((size[1], size[0], 3), np.uint8), InputShape(*target, rule))

    assert found.shape == (target[1], target[0], 3)
    assert found.dtype == np.uint8


def test_the_middle_of_a_side_of_29_is_found():
    """29 × (224 ÷ 29) is more than 224 in floating point: a negative offset, which Pillow refuses."""
    shape = InputShape(224, 224, ResizeRule.CENTER_CROP)

    assert to_input(photo(29, 500), shape).shape == (224, 224, 3)
    assert to_input(photo(500, 29), shape).shape == (224, 224, 3)


def test_inputs_depend_on_the_image_and_their_own_shape_alone():
    """A large JPEG gives an input what all its pixels give, whichever other inputs are asked for."""
    content = encoded(photo(1_900, 1_300), "JPEG")
    shapes = {
        "one": InputShape(64, 48),
        "other": InputShape(224, 224, ResizeRule.CENTER_CROP),
    }
    rgb = decode(content, DecodeLimits()).rgb

    together = inputs_of(open_image(content, DecodeLimits()), shapes)

    for word, shape in shapes.items():
        alone = inputs_of(open_image(content, DecodeLimits()), {word: shape})[word]
        assert np.array_equal(together[word], to_input(rgb, shape))
        assert np.array_equal(alone, together[word])
    assert inputs_of(open_image(content, DecodeLimits()), {}) == {}


def test_pixels_of_the_input_size_are_the_input():
    """What the crawler has resized already is not copied."""
    rgb = photo(40, 30)

    assert inputs_of(open_pixels(rgb), {"word": InputShape(40, 30)})["word"] is rgb


@pytest.mark.parametrize("wide", [True, False], ids=["from left to right", "from top to bottom"])
def test_a_panorama_is_cut_into_four_pieces(wide):
    """Over three to one; they are the quadrants, in the order in which these are read."""
    levels = np.repeat(np.array([10, 80, 160, 250], np.uint8), 100)
    rgb = np.broadcast_to(levels[None, :, None], (90, 400, 3))
    rgb = np.ascontiguousarray(rgb if wide else rgb.transpose(1, 0, 2))

    found = to_input(rgb, InputShape(32, 24, quartered=True))

    assert found.shape == (24, 32, 3)
    quadrants = [found[:12, :16], found[:12, 16:], found[12:, :16], found[12:, 16:]]
    assert [np.median(one) for one in quadrants] == [10, 80, 160, 250]


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (90, 64)])
def test_exactly_three_to_one_is_squashed(size):
    """As is all that is less long."""
    rgb = photo(*size)

    assert np.array_equal(
        to_input(rgb, InputShape(32, 32, quartered=True)), to_input(rgb, InputShape(32, 32))
    )


@pytest.mark.parametrize(
    ("size", "enlarged"),
    [
        ((448, 448), False),
        ((447, 448), True),
        ((900, 447), True),
        ((896, 224), False),
        ((895, 224), True),
        ((2000, 223), True),
        ((224, 896), False),
        ((223, 2000), True),
    ],
)
def test_what_is_smaller_than_its_place_is_enlarged(size, enlarged):
    """A side of the image; of a panorama, a side of its quarter."""
    assert InputShape(448, 448, quartered=True).enlarges(*size) is enlarged
