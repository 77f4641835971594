"""A generator that needs no fonts from outside, and photos of odd shapes."""

from __future__ import annotations

import numpy as np

from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.texts import TRAINING_TEXTS
from tests.fakes.image_files import photo

LETTERING = Lettering((), TRAINING_TEXTS)
MARKS = DrawnMarks(LETTERING)


def drawn(kind, seed=0, rgb=None):
    """A mark of a kind on a photo."""
    photo_rgb = photo(320, 240) if rgb is None else rgb
    return MARKS.draw(photo_rgb, kind, np.random.default_rng(seed))


def plain(level, width_px=320, height_px=240):
    """A photo of one grey."""
    return np.full((height_px, width_px, 3), level, np.uint8)
