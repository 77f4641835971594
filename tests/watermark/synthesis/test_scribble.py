from __future__ import annotations

import numpy as np
import pytest

from services.watermark.synthesis.scribble import scribble_shape, smooth


def test_splines_go_through_their_points():
    """And are smooth in between: steps are short."""
    points = np.asarray([(0.0, 0.0), (1.0, 2.0), (2.0, 1.0), (4.0, 1.0)])
    curve = smooth(points)

    assert curve.shape == (27, 2)
    assert curve[[0, 9, 18]] == pytest.approx(points[:3])
    assert np.linalg.norm(np.diff(curve, axis=0), axis=1).max() < 0.6


def test_signatures_are_thin_lines_of_the_asked_width():
    """Each another one."""
    shapes = set()
    for seed in range(12):
        shape = scribble_shape(120, np.random.default_rng(seed))
        seen = np.asarray(shape) > 60

        assert shape.width == 120
        assert 25 <= shape.height <= 61
        assert 0.01 < seen.mean() < 0.35
        assert np.flatnonzero(seen.any(axis=0)).size > 70
        shapes.add(shape.tobytes())
    assert len(shapes) == 12
