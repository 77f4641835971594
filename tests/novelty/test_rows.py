from __future__ import annotations

import numpy as np

from services.novelty.rows import RowSelection
from tests.novelty.tastes import unit_rows


def test_a_selection_is_the_rows_at_its_positions():
    """By slice and by places, in the order of the positions."""
    rows, positions = unit_rows(20), np.array([3, 1, 4, 15, 9])
    selection = RowSelection(rows, positions)
    assert (len(selection), selection.shape) == (5, (5, 16))
    np.testing.assert_array_equal(selection[1:4], rows[[1, 4, 15]])
    np.testing.assert_array_equal(selection[np.array([4, 0])], rows[[9, 3]])


def test_a_selection_of_a_selection():
    """Its positions are those within the first one."""
    rows = unit_rows(20)
    inner = RowSelection(rows, np.array([3, 1, 4, 15, 9]))
    np.testing.assert_array_equal(RowSelection(inner, np.array([0, 3]))[:], rows[[3, 15]])
