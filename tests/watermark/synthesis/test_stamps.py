from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.watermark.synthesis import stamps
from services.watermark.synthesis.easel import easel_for
from services.watermark.synthesis.words import line_shape
from tests.watermark.synthesis.drawing import LETTERING, plain

WORDS = line_shape("Words", 120, None)


def inside(shape):
    """Which of its pixels are in it: (h, w) bool."""
    return np.asarray(shape) > 128


def test_a_frame_goes_around_the_words():
    """Lines along all four sides, and the words within as they were."""
    for seed in range(20):
        shape = stamps.framed(WORDS, np.random.default_rng(seed))
        where = inside(shape)
        middle = [size // 2 for size in where.shape]

        assert where[middle[0], [0, -1]].all()
        assert where[[0, -1], middle[1]].all()
        left, top = ((a - b) // 2 for a, b in zip(shape.size, WORDS.size, strict=True))
        within = where[top : top + WORDS.height, left : left + WORDS.width]
        assert np.array_equal(within, inside(WORDS))


def test_a_plate_is_filled_but_for_its_words():
    """Where a letter is, the photo is seen."""
    for seed in range(20):
        plate = np.asarray(stamps.cut_out(WORDS, np.random.default_rng(seed)))
        top, left = ((a - b) // 2 for a, b in zip(plate.shape, WORDS.size[::-1], strict=True))
        within = plate[top : top + WORDS.height, left : left + WORDS.width]

        assert np.array_equal(within, 255 - np.asarray(WORDS))
        assert plate.mean() > 127


def test_a_seal_is_round_with_letters_along_its_rim():
    """Nothing in its corners, a line all around, its figure in the middle."""
    figure = PillowImage.new("L", (60, 60), 255)
    seal = inside(stamps.seal_shape("NAME", figure, 240, None, np.random.default_rng(0)))
    down, across = np.mgrid[:240, :240] - 119.5
    radius = np.hypot(down, across)

    assert not seal[radius > 121].any()
    assert seal[(radius > 116.5) & (radius < 118)].mean() > 0.9
    assert seal[radius < 30].all()
    letters = seal[(radius > 85) & (radius < 110)]
    assert 0.05 < letters.mean() < 0.6


@pytest.mark.parametrize("layout", [stamps.stamp, stamps.plate])
def test_stamps_and_plates_say_something(layout):
    """The easel remembers what."""
    for seed in range(12):
        easel = easel_for(plain(60, 320, 240), LETTERING, np.random.default_rng(seed))
        layout(easel, (0.1, 0.4))

        assert easel.text
        assert np.asarray(easel.overlay)[..., 3].max() > 150
