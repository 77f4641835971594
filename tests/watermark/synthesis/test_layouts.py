from __future__ import annotations

import numpy as np
import pytest

from services.watermark.synthesis import layouts
from services.watermark.synthesis.easel import easel_for
from tests.watermark.synthesis.drawing import LETTERING, plain

WIDTHS = (0.1, 0.4)


def laid(layout, seed=0, widths=WIDTHS, size=(320, 240)):
    """An easel after a layout, and where it was drawn on."""
    easel = easel_for(plain(60, *size), LETTERING, np.random.default_rng(seed))
    layout(easel, widths)
    return easel, np.asarray(easel.overlay)[..., 3] > 100


@pytest.mark.parametrize("layout", [layouts.signature, layouts.address, layouts.rights])
def test_corner_marks_are_near_an_edge(layout):
    """Above or below, never in the middle."""
    for seed in range(20):
        easel, where = laid(layout, seed)
        down = np.nonzero(where)[0].mean() / 240

        assert easel.text
        assert down < 0.25 or down > 0.75


def test_sides_have_text_that_stands():
    """Higher than wide, at the left or the right."""
    for seed in range(20):
        _, where = laid(layouts.side, seed, (0.01, 0.06))
        rows, columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))

        assert np.ptp(rows) > 1.5 * np.ptp(columns)
        assert columns.max() < 40 or columns.min() > 280


def test_diagonals_go_up_or_down():
    """Their middle is the photo's."""
    slopes = []
    for seed in range(12):
        _, where = laid(layouts.diagonal, seed, (0.5, 0.9))
        rows, columns = np.nonzero(where)
        slopes.append(np.corrcoef(rows, columns)[0, 1])

        assert abs(rows.mean() - 120) < 30
        assert abs(columns.mean() - 160) < 30
    assert min(slopes) < -0.4
    assert max(slopes) > 0.4


def test_widths_are_as_often_small_as_large():
    """The middle of all is the middle of their logarithms; none is under eight pixels."""
    easel = easel_for(plain(60, 1000, 100), LETTERING, np.random.default_rng(0))
    widths = [layouts.chosen_width(easel, (0.01, 1.0)) for _ in range(500)]

    assert 8 <= min(widths) < 12
    assert 900 < max(widths) <= 1000
    assert 70 < np.median(widths) < 145


def test_logos_have_letters_or_figures_but_no_text():
    """Up to three capitals."""
    easel, where = laid(layouts.logo)
    initials = {layouts.initials(easel) for _ in range(60)}

    assert where.any()
    assert easel.text == ""
    assert {len(letters) for letters in initials} == {1, 2, 3}
    assert all(letters.isupper() for letters in initials)


def test_boxes_lie_under_some_names():
    """Then much more is drawn on, and the mark is as wide as its box."""
    boxed = 0
    for seed in range(80):
        easel, where = laid(layouts.address, seed)
        columns, rows = (np.flatnonzero(where.any(axis=axis)) for axis in (0, 1))
        full = where[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.97
        boxed += full
        if full:
            assert easel.width_px == pytest.approx(np.ptp(columns) + 1, abs=1)
    assert 3 <= boxed <= 22
