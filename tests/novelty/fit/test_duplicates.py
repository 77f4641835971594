from __future__ import annotations

import numpy as np

from services.novelty.duplicate import Duplicate
from services.novelty.fit import duplicates
from services.novelty.fit.duplicates import find_duplicates, without
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


def test_of_very_many_they_are_found_without_comparing_all_pairs(monkeypatch):
    """Copies and near copies, each with the earliest that counts, as among few."""
    rows = unit_rows(3000, 64)
    rows[2000:2050] = rows[:50]
    rows[2500:2550] = [turned(row, 0.995) for row in rows[50:100]]
    expected = find_duplicates(rows)
    assert len(expected) == 100
    monkeypatch.setattr(duplicates, "ALL_PAIRS_UP_TO", 8)
    assert find_duplicates(rows) == expected


def test_what_is_near_a_duplicate_alone_counts(monkeypatch):
    """Of three in a row at .995 of each other, the outer ones at .98, the middle one repeats the first."""
    monkeypatch.setattr(duplicates, "ALL_PAIRS_UP_TO", 8)
    rows = unit_rows(20, 64)
    away = rows[1] - (rows[1] @ rows[0]) * rows[0]
    away /= np.linalg.norm(away)
    for place, angle in ((5, 0.1), (9, 0.2)):
        rows[place] = np.cos(angle) * rows[0] + np.sin(angle) * away
    assert find_duplicates(rows) == (Duplicate(5, 0),)


def test_many_of_one_picture(monkeypatch):
    """A thousand copies repeat the first, however far apart they lie."""
    monkeypatch.setattr(duplicates, "ALL_PAIRS_UP_TO", 8)
    rows = np.concatenate([unit_rows(300, 16), np.tile(unit_rows(1, 16), (1000, 1))])
    found = find_duplicates(rows)
    assert found == tuple(Duplicate(position, 0) for position in range(300, 1300))
