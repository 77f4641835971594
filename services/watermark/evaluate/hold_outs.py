"""Hold-outs: each source, font family, kind and generator in turn is kept from training and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.servicekit.errors import Misconfigured

T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class HoldOut(Generic[T]):
    """One turn.

    Attributes:
        held_out: What is measured with.
        training: All the others, which may be trained with.
    """

    held_out: T
    training: tuple[T, ...]


def hold_outs_of(names: Sequence[T]) -> list[HoldOut[T]]:
    """One turn for each of the names, sorted; copies of a name are one.

    Raises:
        Misconfigured: There are fewer than two: nothing would be left to train with.
    """
    different = sorted(set(names))
    if len(different) < 2:
        message = f"{len(different)} of a sort: two at least are needed to hold one out"
        raise Misconfigured(message)
    return [
        HoldOut(name, tuple(other for other in different if other != name)) for name in different
    ]
