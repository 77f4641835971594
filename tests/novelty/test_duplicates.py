from __future__ import annotations

import numpy as np

from services.novelty import duplicates
from services.novelty.duplicates import Duplicate, find_duplicates, without
from tests.novelty.tastes import unit_rows


def turned(row, cosine):
    """A unit vector at that cosine to a row."""
    other = np.random.default_rng(1).normal(size=row.size)
    other -= (other @ row) * row
    other /= np.linalg.norm(other)
    return (cosine * row + np.sqrt(1.0 - cosine**2) * other).astype(np.float32)


def test_different_images_have_none():
    """The rows come back as they are."""
    rows = unit_rows(50, 64)
    assert find_duplicates(rows) == ()
    assert without(rows, ()) is rows


def test_copies_and_near_copies_name_the_first():
    """At a cosine of .995 it is the same picture, at .98 another one; each names the earliest that counts."""
    rows = unit_rows(6, 64)
    more = [rows[2], turned(rows[4], 0.995), turned(rows[5], 0.98), rows[2]]
    rows = np.concatenate([rows, more])
    found = find_duplicates(rows)
    assert found == (Duplicate(6, 2), Duplicate(7, 4), Duplicate(9, 2))
    np.testing.assert_array_equal(without(rows, found), rows[[0, 1, 2, 3, 4, 5, 8]])


def test_they_are_found_across_blocks(monkeypatch):
    """Rows are compared some at a time, and all with all."""
    monkeypatch.setattr(duplicates, "_ROWS_AT_ONCE", 4)
    rows = unit_rows(11, 64)
    rows[10], rows[7] = rows[0], rows[6]
    assert find_duplicates(rows) == (Duplicate(7, 6), Duplicate(10, 0))


def test_of_very_many_only_identical_ones_are_found(monkeypatch):
    """Comparing all pairs would take too long there."""
    monkeypatch.setattr(duplicates, "NEAR_DUPLICATES_UP_TO", 8)
    rows = unit_rows(9, 64)
    rows[7], rows[8] = turned(rows[1], 0.999), rows[3]
    assert find_duplicates(rows) == (Duplicate(8, 3),)
