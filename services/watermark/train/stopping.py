"""Ends a training in order when a signal asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end.

    Attributes:
        number: The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Stopped` here, once: what is put in order meanwhile is not interrupted."""
    before = [signal.signal(number, _stop) for number in _NUMBERS]
    try:
        yield
    finally:
        for number, handler in zip(_NUMBERS, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGINT and SIGTERM end this process at once: libraries that are interrupted as they load may swallow it."""
    before = [signal.signal(number, signal.SIG_DFL) for number in _NUMBERS]
    try:
        yield
    finally:
        for number, handler in zip(_NUMBERS, before, strict=True):
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in _NUMBERS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)
