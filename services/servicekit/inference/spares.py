"""What a computation writes into, lent to one at a time and used again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")


class Spares(Generic[Key, Thing]):
    """Things by key, for several threads: as many of a key are made as were ever lent at once.

    A list's `pop` and `append` are atomic, so no lock is held while something is made.
    """

    def __init__(self) -> None:
        self._idle: dict[Key, list[Thing]] = {}

    @contextmanager
    def lent(self, key: Key, make: Callable[[], Thing]) -> Iterator[Thing]:
        """An idle thing of this key, or a new one; one whose use raised is not lent again."""
        idle = self._idle.setdefault(key, [])
        try:
            thing = idle.pop()
        except IndexError:
            thing = make()
        yield thing
        idle.append(thing)

    def drop(self, key: Key) -> None:
        """Lets go of the idle ones of a key."""
        self._idle.pop(key, None)
