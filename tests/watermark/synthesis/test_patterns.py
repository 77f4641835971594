from __future__ import annotations

import numpy as np

from services.watermark.synthesis import patterns
from services.watermark.synthesis.easel import easel_for
from tests.watermark.synthesis.drawing import LETTERING, plain


def laid(layout, seed=0, size=(320, 240)):
    """An easel after a layout, and where it was drawn on."""
    easel = easel_for(plain(60, *size), LETTERING, np.random.default_rng(seed))
    layout(easel, (0.1, 0.3))
    return easel, np.asarray(easel.overlay)[..., 3] > 100


def test_tiles_repeat():
    """The same columns of one row come again; not without end on a large photo."""
    for seed in range(6):
        easel, where = laid(patterns.tiled, seed, (900, 700))

        assert 0.01 < where.mean() < 0.6
        assert easel.width_px < 0.5 * 900
        for half in (where[:350, :450], where[350:, 450:]):
            assert half.any()


def test_stock_marks_have_lines_from_edge_to_edge():
    """And a brand in the middle."""
    for seed in range(12):
        easel, where = laid(patterns.stock, seed)
        edges = (where[:, :2], where[:, -2:], where[:2], where[-2:])

        assert sum(edge.any() for edge in edges) >= 2
        assert where[100:140, 110:210].any()
        assert easel.text


def test_strips_are_as_wide_as_the_photo():
    """Banners at the very bottom, with a logo on the left."""
    for seed in range(12):
        for layout in (patterns.bar, patterns.banner):
            easel, where = laid(layout, seed)
            full = np.flatnonzero(where.all(axis=1))

            assert 8 <= len(full) <= 25
            assert easel.width_px == 320
        assert full[-1] == 239
        strip = np.asarray(easel.overlay)[full[0] : full[-1] + 1, :24, :3].astype(int)
        assert np.ptp(strip) > 90
