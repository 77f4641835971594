"""Collections that are made anew each time somebody goes through them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Again(Collection[Item], Generic[Item]):
    """Items that are too many to hold, for whoever may have to go through them twice.

    Attributes:
        count: How many `make` yields.
        make: Yields them from the first one on.
    """

    count: int
    make: Callable[[], Iterator[Item]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Item]:
        return self.make()

    def __contains__(self, item: object) -> bool:
        return any(one == item for one in self)
