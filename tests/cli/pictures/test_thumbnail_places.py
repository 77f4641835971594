"""Room for thumbnails on a map."""

from __future__ import annotations

import numpy as np

from lodestone.cli.pictures.thumbnail_places import find_places

FRAME = (600.0, 400.0)


def squares(places, size):
    return [
        (one.x - size / 2, one.y - size / 2, one.x + size / 2, one.y + size / 2) for one in places
    ]


def test_thumbnails_lie_inside_and_on_no_other_and_off_the_points():
    """Among a hundred points in the middle of the frame."""
    rng = np.random.default_rng(1)
    points = rng.uniform((200, 100), (400, 300), size=(100, 2))
    places = find_places(points, points[:30], size_px=60, frame=FRAME, most=8)
    assert 3 <= len(places) <= 8
    for place, (left, top, right, bottom) in zip(places, squares(places, 60), strict=True):
        assert left >= 0
        assert top >= 0
        assert right <= FRAME[0]
        assert bottom <= FRAME[1]
        if place.index:
            covered = (points[:, 0] > left) & (points[:, 0] < right)
            covered &= (points[:, 1] > top) & (points[:, 1] < bottom)
            assert covered.sum() <= 1
    for one in places:
        for other in places:
            assert one is other or max(abs(one.x - other.x), abs(one.y - other.y)) > 60


def test_the_first_candidate_comes_first_and_the_others_far_from_it():
    """Of a near and a far one, the far one is next."""
    points = np.array([[100.0, 200.0], [110.0, 200.0], [500.0, 200.0]])
    places = find_places(points, points, size_px=40, frame=FRAME, most=2)
    assert [place.index for place in places] == [0, 2]


def test_the_first_candidate_gets_a_place_even_in_a_crowd():
    """The least typical photo is the one to see."""
    rng = np.random.default_rng(2)
    points = rng.uniform((0, 0), FRAME, size=(3000, 2))
    candidates = np.array([[300.0, 200.0], [350.0, 250.0]])
    places = find_places(points, candidates, size_px=60, frame=FRAME, most=5)
    assert [place.index for place in places] == [0]


def test_without_candidates_there_is_nothing_to_place():
    """An empty array is no error."""
    assert find_places(np.zeros((3, 2)), np.zeros((0, 2)), size_px=9, frame=FRAME, most=5) == []
