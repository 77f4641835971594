from __future__ import annotations

import numpy as np

from services.watermark.synthesis.camera_traces import add_border, add_date_stamp, add_letterbox
from tests.watermark.synthesis.drawing import LETTERING, plain


def added(add, seed, level=90):
    before = plain(level)
    after, text = add(before, LETTERING, np.random.default_rng(seed))
    return (after != before).any(axis=2), after, text


def test_dates_glow_in_a_corner():
    """Small, reddish, made of digits."""
    for seed in range(15):
        where, after, text = added(add_date_stamp, seed, level=20)
        rows, columns = np.nonzero(where)
        red, _, blue = after[where].astype(int).T

        assert sum(character.isdigit() for character in text) >= 4
        assert where.mean() < 0.1
        assert rows.mean() > 170 or rows.mean() < 70
        assert columns.mean() > 190 or columns.mean() < 130
        assert (red - blue).mean() > 20


def test_borders_leave_the_middle():
    """And touch every side, or every corner."""
    for seed in range(20):
        where, _, text = added(add_border, seed)

        assert text == ""
        assert not where[80:140, 80:240].any()
        assert where[0, 0]
        assert where[-1, -1]


def test_letterboxes_have_two_equal_edges():
    """Above and below, or at both sides."""
    lying = 0
    for seed in range(20):
        where, _, _ = added(add_letterbox, seed)
        view = where if where[0].all() else where.T
        lying += where[0].all()

        assert np.array_equal(view, view[::-1])
        assert 0.05 < view.all(axis=1).mean() < 0.4
        assert not view[len(view) // 2].any()
    assert 5 < lying < 20
