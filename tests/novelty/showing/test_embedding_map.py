from __future__ import annotations

import numpy as np
import pytest

from services.novelty.showing.embedding_map import map_embeddings
from tests.novelty.tastes import unit_rows


def distances(places):
    return np.linalg.norm(places[:, np.newaxis] - places, axis=2)


def assert_fills_the_square(places):
    """Within [-1, 1], in the middle, and from one side to the other."""
    assert np.abs(places).max() == pytest.approx(1.0)
    middle = places.min(axis=0) + places.max(axis=0)
    assert middle == pytest.approx(np.zeros(2), abs=1e-9)


def test_near_points_are_similar_images():
    """Of three clusters each point's nearest ones are of its own."""
    rows = np.concatenate([unit_rows(40, seed=axis, centre=axis) for axis in range(3)])
    places = map_embeddings(rows)
    cluster = np.repeat(np.arange(3), 40)
    near = np.argsort(distances(places), axis=1)[:, 1:11]
    assert (cluster[near] == cluster[:, np.newaxis]).all()
    assert_fills_the_square(places)


def test_the_same_embeddings_give_the_same_map():
    """Wherever they stand in the list."""
    rows = unit_rows(60)
    order = np.random.default_rng(0).permutation(60)
    places = map_embeddings(rows)
    assert (map_embeddings(rows) == places).all()
    assert (map_embeddings(rows[order]) == places[order]).all()


@pytest.mark.parametrize("count", [8, 9, 10, 11, 30, 91, 92])
def test_it_works_from_8_points_on(count):
    """The perplexity stays under what so few allow."""
    places = map_embeddings(unit_rows(count, 64))
    assert places.shape == (count, 2)
    assert_fills_the_square(places)
    assert (distances(places) + np.eye(count)).min() > 0.0


@pytest.mark.parametrize("count", [2, 3, 7])
def test_fewer_lie_along_their_main_directions(count):
    """The two that differ most are farthest apart."""
    rows = unit_rows(count, 64)
    places = map_embeddings(rows)
    assert_fills_the_square(places)
    if count < 4:  # a plane holds three points as they are
        apart, really = distances(places), distances(rows)
        assert apart / apart.max() == pytest.approx(really / really.max(), abs=1e-5)


def test_one_point_or_none():
    """One is in the middle."""
    assert map_embeddings(unit_rows(1)).tolist() == [[0.0, 0.0]]
    assert map_embeddings(np.empty((0, 16), np.float32)).shape == (0, 2)


def test_equal_embeddings_share_a_place():
    """All of them, or some among others."""
    assert map_embeddings(np.repeat(unit_rows(1), 20, axis=0)).tolist() == [[0.0, 0.0]] * 20
    rows = unit_rows(30)
    rows[20:] = rows[3]
    places = map_embeddings(rows)
    assert (places[20:] == places[3]).all()
    assert len(np.unique(places, axis=0)) == 20
    assert_fills_the_square(places)


def test_embeddings_that_hardly_differ():
    """By the last digit of a float, and of one coordinate alone."""
    rows = np.repeat(unit_rows(1), 20, axis=0)
    rows[:, 1] += np.linspace(0.0, 1e-6, 20, dtype=np.float32)
    assert_fills_the_square(map_embeddings(rows))
    narrow = np.linspace(0.9995, 1.0005, 12, dtype=np.float32)[:, np.newaxis]
    assert_fills_the_square(map_embeddings(narrow))
