"""What a check goes by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckTerms:
    """What a check goes by.

    Attributes:
        now: Seconds since 1970.
        grace_s: Files and rows that are younger may be on their way: they are counted, and are no problem.
        is_alone: Whether no crawler can be at work: what is unfinished stays so.
    """

    now: float
    grace_s: float
    is_alone: bool = False

    def is_young(self, time: float | None) -> bool:
        """Whether something of that time may be on its way still."""
        return time is not None and self.now - time < self.grace_s
