from __future__ import annotations

import numpy as np
import pytest

from services.novelty.fit.near_pairs import earliest_near
from tests.novelty.tastes import unit_rows


def clustered(count, dimension=64):
    """Rows of five clusters in one cone, as an encoder's are."""
    rng = np.random.default_rng(3)
    centres = rng.normal(0.0, 0.5, (5, dimension))
    centres[:, 0] += 5.0
    rows = centres[rng.integers(0, 5, count)] + rng.normal(0.0, 0.5, (count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def turn(rows, cosine):
    """A unit vector at that cosine to each row."""
    away = np.random.default_rng(1).normal(size=rows.shape)
    away -= (away * rows).sum(axis=1, keepdims=True) * rows
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return (cosine * rows + (1.0 - cosine**2) ** 0.5 * away).astype(np.float32)


@pytest.mark.parametrize(("cosine", "least"), [(1.0, 1.0), (0.995, 0.995), (0.9901, 0.97)])
def test_nearly_all_near_rows_are_found(cosine, least):
    """Of 400 among 20,000, and with each the row that it is near."""
    rows = clustered(20_000)
    first, again = np.arange(0, 400), np.arange(19_000, 19_400)
    rows[again] = turn(rows[first], cosine)
    found = earliest_near(rows, 0.99)
    assert np.mean(found[again] == first) >= least
    rest = np.delete(np.arange(len(rows)), again)
    np.testing.assert_array_equal(found[rest], rest)


def test_what_is_found_is_near():
    """At a cosine that half of all pairs reach, nothing else is named."""
    rows = clustered(1000, 16)
    cosine = float(np.median(rows @ rows.T))
    found = earliest_near(rows, cosine)
    assert ((rows * rows[found]).sum(axis=1) >= cosine - 1e-6).all()
    assert (found <= np.arange(1000)).all()
    assert np.mean(found < np.arange(1000)) > 0.9


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 128, 129, 200])
def test_every_row_is_looked_at(count):
    """Whatever is left over at the end: all are copies of the first."""
    found = earliest_near(np.tile(unit_rows(1, 8), (count, 1)), 0.99)
    assert (found[1:] < np.arange(1, count)).all()


def test_the_same_rows_give_the_same():
    """The planes are drawn from a fixed seed."""
    rows = clustered(2000)
    np.testing.assert_array_equal(earliest_near(rows, 0.9), earliest_near(rows, 0.9))
