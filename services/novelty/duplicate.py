"""A liked image that is there more than once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One liked image that takes no part in a fit, for an earlier one is the same picture.

    Attributes:
        position: Its place among the liked embeddings as they came, from 0.
        duplicate_of: The place of the one that counts, lower.
    """

    position: int
    duplicate_of: int
