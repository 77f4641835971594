from __future__ import annotations

import numpy as np

from services.watermark.synthesis.emblem import emblem_shape


def test_emblems_are_of_many_shapes():
    """All of the asked width, none of them empty or full."""
    shapes = set()
    for seed in range(60):
        shape = emblem_shape("LO", 50, None, np.random.default_rng(seed))

        assert shape.size == (50, 50)
        assert 0.03 < np.mean(np.asarray(shape) > 60) < 0.97
        shapes.add(shape.tobytes())
    assert len(shapes) > 30
