from __future__ import annotations

import numpy as np

from services.watermark.synthesis.generator import MarkedPhoto, box_of, changed


def test_a_pixel_is_changed_from_ten_levels_on():
    """In any channel, up or down."""
    before = np.full((2, 3, 3), 100, np.uint8)
    after = before.copy()
    after[0, 0, 2], after[0, 1, 0], after[1, 2, 1] = 110, 90, 109

    assert changed(before, after).tolist() == [[True, True, False], [False, False, False]]


def test_boxes_are_tight():
    """Left, top, right, bottom; an empty mask has none."""
    mask = np.zeros((6, 9), np.bool_)
    marked = MarkedPhoto(np.zeros((6, 9, 3), np.uint8), mask, "logo", True, 0.5, 0.2)
    assert marked.box is None

    mask[2, 3] = mask[4, 7] = True
    assert box_of(mask) == marked.box == (3, 2, 8, 5)
