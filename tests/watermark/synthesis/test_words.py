from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.watermark.synthesis.words import beside, line_shape, stacked


@pytest.mark.parametrize("width_px", [60, 150, 400])
def test_lines_are_as_wide_as_asked(width_px):
    """To a fifth; all of it is inside of the shape."""
    shape = line_shape("Lodestone", width_px, None)

    assert shape.width == pytest.approx(width_px, rel=0.2)
    assert np.asarray(shape).max() == 255


def test_lines_are_no_higher_than_allowed():
    """Then they are less wide."""
    shape = line_shape("Lo", 500, None, height_px=30)

    assert shape.height <= 34
    assert shape.width < 100


def test_shapes_are_put_together():
    """In the middle of each other, with a gap."""
    wide, high = PillowImage.new("L", (40, 10), 255), PillowImage.new("L", (10, 30), 255)

    below, aside = np.asarray(stacked([wide, high], 4)), np.asarray(beside(wide, high, 4))

    assert below.shape == (44, 40)
    assert below[:10].all()
    assert not below[10:14].any()
    assert below[14:, 15:25].all()
    assert aside.shape == (30, 54)
    assert aside[10:20, :40].all()
    assert not aside[:10, :44].any()
