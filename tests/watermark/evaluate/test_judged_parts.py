from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.resize import InputShape, to_input
from services.watermark.detector import Detector
from services.watermark.evaluate.judged_parts import parts_of
from tests.watermark.detectors import SIDE_PX, BrightnessBackend, fake_folder

SHAPE = InputShape(SIDE_PX, SIDE_PX, quartered=True)


@pytest.mark.parametrize(
    ("width_px", "height_px", "columns"), [(96, 32, 2), (128, 32, 4), (32, 128, 1)]
)
def test_parts_are_those_that_are_judged(width_px, height_px, columns):
    """Each is white in turn: the detector finds it at the same place."""
    parts = parts_of(width_px, height_px, SHAPE)
    rows = 4 // columns
    detector = Detector(fake_folder(), BrightnessBackend(), threshold=None)
    for place in range(4):
        rgb = np.zeros((height_px, width_px, 3), np.uint8)
        row, column = divmod(place, columns)
        down = slice(row * height_px // rows, (row + 1) * height_px // rows)
        across = slice(column * width_px // columns, (column + 1) * width_px // columns)
        rgb[down, across] = 255

        [detection] = detector.detect(to_input(rgb, SHAPE)[None])

        assert int(np.argmax(detection.quadrant_probabilities)) == place
    assert (parts.columns, len(set(parts.names))) == (columns, 4)
