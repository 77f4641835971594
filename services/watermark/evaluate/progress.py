"""How far an evaluation is, for whoever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

_TOLD_EVERY_PHOTOS: Final = 20
_TOLD_EVERY_S: Final = 30.0


class PhotoProgress:
    """Notes how many photos are done: at every twentieth, and when half a minute has passed since the last note."""

    def __init__(self, photos: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._photos = photos
        self._half_minutes = _HalfMinutes(clock)
        self._told: int | None = None

    def advance(self, done: int) -> None:
        """So many photos are done now; may be called again while another is judged."""
        is_place = done % _TOLD_EVERY_PHOTOS == 0 and done != self._told
        if self._half_minutes.is_over() or is_place:
            self._told = done
            self._half_minutes.begin()
            structlog.get_logger().info("evaluating", done=done, photos=self._photos)


class ImageProgress:
    """Notes every half a minute how many labelled images are done."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._half_minutes = _HalfMinutes(clock)

    def advance(self, done: int) -> None:
        """So many images are done now."""
        if self._half_minutes.is_over():
            self._half_minutes.begin()
            structlog.get_logger().info("evaluating", images_done=done)


class _HalfMinutes:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun_s = clock()

    def begin(self) -> None:
        self._begun_s = self._clock()

    def is_over(self) -> bool:
        return self._clock() - self._begun_s >= _TOLD_EVERY_S
