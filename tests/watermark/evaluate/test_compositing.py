from __future__ import annotations

import numpy as np
import pytest

from services.watermark.evaluate.compositing import Ink, halftoned, inked

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


def grey(level):
    return np.full((20, 20, 3), level, np.uint8)


def covered():
    coverage = np.zeros((20, 20), np.float32)
    coverage[5:15, 5:15] = 1
    return coverage


def test_blending_is_in_linear_light():
    """Half white over black is level 188, not 128 (IEC 61966-2-1)."""
    drawn = inked(grey(0), covered(), Ink(WHITE, 0.5))

    assert drawn[10, 10].tolist() == [188, 188, 188]
    assert drawn[0, 0].tolist() == [0, 0, 0]


def test_nothing_else_of_the_photo_moves():
    """Every level comes back from linear light as it was."""
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    photo = np.repeat(levels[..., None], 3, axis=2)

    assert np.array_equal(inked(photo, np.zeros((16, 16), np.float32), Ink(WHITE, 0.9)), photo)


@pytest.mark.parametrize(("level", "light", "expected"), [(255, WHITE, 0), (0, BLACK, 255)])
def test_an_ink_that_cannot_be_seen_is_turned(level, light, expected):
    """White on white becomes black."""
    drawn = inked(grey(level), covered(), Ink(light, 1.0))

    assert drawn[10, 10].tolist() == [expected] * 3


def test_halftone_is_dots_of_the_mark():
    """Some of it, in no more places than it."""
    dots = halftoned(covered(), 4.0, 0.3)

    assert not dots[covered() == 0].any()
    assert 0.2 < dots.sum() / covered().sum() < 0.8
