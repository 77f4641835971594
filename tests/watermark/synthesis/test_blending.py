from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.watermark.synthesis.blending import Blend, lay_over
from tests.fakes.image_files import photo


def blended(level, colour, blend, opacity=1.0, alpha=255):
    under = np.full((4, 5, 3), level, np.uint8)
    overlay = PillowImage.new("RGBA", (5, 4), (colour, colour, colour, alpha))
    return int(lay_over(under, overlay, opacity, blend)[1, 1, 0])


@pytest.mark.parametrize(
    ("blend", "expected"),
    [
        (Blend.NORMAL, 200),
        (Blend.SCREEN, 222),  # 1 - (1 - .392) (1 - .784)
        (Blend.MULTIPLY, 78),  # .392 * .784
        (Blend.OVERLAY, 157),  # 2 * .392 * .784, the ground is dark
        (Blend.SOFT_LIGHT, 135),  # (1 - 2 * .784) * .392 ** 2 + 2 * .784 * .392
        (Blend.DIFFERENCE, 100),
    ],
)
def test_modes_are_those_of_editors(blend, expected):
    """Grey 100 under grey 200, computed by hand."""
    assert abs(blended(100, 200, blend) - expected) <= 1


def test_overlay_lightens_a_light_ground():
    """1 - 2 (1 - .784) (1 - .392)."""
    assert abs(blended(200, 100, Blend.OVERLAY) - 188) <= 1


@pytest.mark.parametrize("blend", list(Blend))
def test_opacity_is_the_share_of_the_way(blend):
    """Half of it is half of the change; alpha counts alike."""
    whole = blended(100, 220, blend) - 100

    assert abs(blended(100, 220, blend, opacity=0.5) - 100 - whole / 2) <= 1
    assert abs(blended(100, 220, blend, alpha=128) - 100 - whole / 2) <= 1


def test_what_is_empty_changes_nothing():
    """And the photo that is covered is another array."""
    under = photo(30, 20)
    overlay = PillowImage.new("RGBA", (30, 20), (255, 255, 255, 0))
    overlay.putpixel((3, 2), (255, 0, 0, 255))
    covered = lay_over(under, overlay, 1.0, Blend.NORMAL)

    assert covered[2, 3].tolist() == [255, 0, 0]
    assert np.argwhere((covered != under).any(axis=2)).tolist() == [[2, 3]]
