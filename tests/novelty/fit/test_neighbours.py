from __future__ import annotations

import numpy as np
import pytest

from services.novelty.fit import neighbours
from services.novelty.fit.neighbours import neighbour_separation
from tests.novelty.tastes import unit_rows


def test_it_is_the_mean_of_the_five_nearest_out_of_fold():
    """Counted by hand: no liked image is its own neighbour."""
    liked = unit_rows(12, 16)
    background = np.concatenate([unit_rows(5, 16, seed=1), unit_rows(6, 16, centre=3)])
    own = [np.sort(np.delete(liked, row, axis=0) @ liked[row])[-5:].mean() for row in range(12)]
    others = [np.sort(liked @ row)[-5:].mean() for row in background]
    pairs = [high > low for high in own for low in others]
    assert neighbour_separation(liked, background, 0) == pytest.approx(np.mean(pairs))
    assert 0.5 < np.mean(pairs) < 1.0


def test_large_sets_are_drawn_from(monkeypatch):
    """A draw is decided by the seed, and tells about the same."""
    liked, background = unit_rows(300, 16), unit_rows(300, 16, seed=1, centre=1)
    background[:150] = unit_rows(150, 16, seed=2)
    whole = neighbour_separation(liked, background, 0)
    monkeypatch.setattr(neighbours, "_QUERIES", 100)
    monkeypatch.setattr(neighbours, "_REFERENCES", 200)
    drawn = [neighbour_separation(liked, background, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn == pytest.approx([whole] * 3, abs=0.1)
