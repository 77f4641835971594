from __future__ import annotations

import pytest
import structlog

from services.watermark.evaluate.progress import ImageProgress, PhotoProgress


class Clock:
    """Shows what it was set to."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def notes():
    """Every note, as its facts."""
    with structlog.testing.capture_logs() as logs:
        yield logs


def test_every_twentieth_photo_is_told_once(clock, notes):
    """However many images are judged of it; the first one tells that it begins."""
    progress = PhotoProgress(50, clock=clock)
    for done in range(50):
        for _ in range(3):
            progress.advance(done)

    assert [(note["event"], note["done"], note["photos"]) for note in notes] == [
        ("evaluating", done, 50) for done in (0, 20, 40)
    ]


def test_slow_photos_are_told_every_half_a_minute(clock, notes):
    """Since the last note, even amid a photo."""
    progress = PhotoProgress(50, clock=clock)
    for done, now_s in ((0, 100.0), (1, 129.0), (2, 130.0), (2, 159.0), (2, 160.0), (20, 170.0)):
        clock.now_s = now_s
        progress.advance(done)
    clock.now_s = 199.0
    progress.advance(21)

    assert [note["done"] for note in notes] == [0, 2, 2, 20]


def test_labelled_images_are_told_every_half_a_minute(clock, notes):
    """Nothing is said of an evaluation that takes less."""
    progress = ImageProgress(clock=clock)
    for done in range(1, 100):
        clock.now_s += 1.0
        progress.advance(done)

    assert [note["images_done"] for note in notes] == [30, 60, 90]
