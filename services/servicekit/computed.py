"""What was computed of an image, and what may remember it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Computed(Generic[Value]):
    """What was computed of an image.

    Attributes:
        value: What the network gives.
        width_px: Width of the upright image as it came, before it was brought to the network's input.
        height_px: Height of the same.
    """

    value: Value
    width_px: int
    height_px: int


class ComputedCache(Protocol[Value]):
    """Remembers what was computed of an image. It may forget at any time; neither method raises."""

    def find(self, digest: bytes) -> Computed[Value] | None:
        """What was computed of the image with this digest (`messages.digest_of`); called from any thread."""
        ...

    def keep(self, digest: bytes, computed: Computed[Value]) -> None:
        """Remembers it from now on; called from the event loop, which it does not hold up."""
        ...
