"""Where on a map there is room for thumbnails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

_DIRECTIONS = 16
# In widths of a thumbnail, from the point to the thumbnail's middle.
_DISTANCES = (0.9, 1.2, 1.5, 1.9)
# What a thumbnail may cost: the points that it lies on, and its distance in widths.
_MOST_COST = 2.5
# Around a thumbnail: half of a point's size, or a frame.
_MARGIN_PX = 6

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """A thumbnail's place.

    Attributes:
        index: The point that it is of, among the candidates.
        x, y: Its middle, pixels.
    """

    index: int
    x: float
    y: float


def find_places(
    points: Points, candidates: Points, *, size_px: int, frame: tuple[float, float], most: int
) -> list[Place]:
    """Places squares beside candidates, off other points and each other.

    Candidates far from each other come first; one without room is passed over, unless it is the first.

    Args:
        points: (n, 2) every point of the map, pixels.
        candidates: (m, 2) those that have a thumbnail; the first one comes first.
        size_px: The squares' side.
        frame: The map's width and height, pixels, from 0.
        most: How many places at most.
    """
    places: list[Place] = []
    for index in _spread(candidates):
        free = {
            place: distance + _count_covered(points, place, size_px)
            for place, distance in _around(candidates[index], index, size_px)
            if _is_inside(place, size_px, frame)
            and all(_are_apart(place, other, size_px) for other in places)
        }
        best = min(free, key=free.__getitem__, default=None)
        if best is not None and (index == 0 or free[best] <= _MOST_COST):
            places.append(best)
        if len(places) == most:
            break
    return places


def _spread(candidates: Points) -> Iterator[int]:
    """The indices of all candidates: the first, then again and again the one that is farthest from those before."""
    distances = np.full(len(candidates), np.inf)
    for step in range(len(candidates)):
        index = int(distances.argmax()) if step else 0
        yield index
        distances = np.minimum(distances, np.linalg.norm(candidates - candidates[index], axis=1))


def _around(point: Points, index: int, size_px: int) -> Iterator[tuple[Place, float]]:
    """Places around a point with their distances in widths, nearest first."""
    for distance in _DISTANCES:
        for step in range(_DIRECTIONS):
            angle = 2 * pi * step / _DIRECTIONS
            reach = distance * size_px
            place = Place(index, point[0] + reach * cos(angle), point[1] + reach * sin(angle))
            yield place, distance


def _is_inside(place: Place, size_px: int, frame: tuple[float, float]) -> bool:
    half = size_px / 2 + _MARGIN_PX
    return half <= place.x <= frame[0] - half and half <= place.y <= frame[1] - half


def _are_apart(one: Place, other: Place, size_px: int) -> bool:
    return max(abs(one.x - other.x), abs(one.y - other.y)) > 1.1 * size_px


def _count_covered(points: Points, place: Place, size_px: int) -> int:
    middle = np.array([place.x, place.y])
    return int((np.abs(points - middle).max(axis=1) < size_px / 2 + _MARGIN_PX).sum())
