"""A goal beside what was measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One of them.

    Attributes:
        name: What is measured.
        goal: What it should be, `<= 0.03`.
        measured: What it is; None if it was not measured.
        interval: The 95 % interval over which images happened to be there; None without one.
        met: Whether it is reached; None if it was not measured.
        must: Whether it makes the exit status 1 if it is not: the others depend on the photos.
        note: What must be known to read it, or why it was not measured.
    """

    name: str
    goal: str
    measured: float | None
    interval: tuple[float, float] | None = None
    met: bool | None
    must: bool = True
    note: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether it makes the exit status 1."""
        return self.must and self.met is False

    def to_json(self) -> dict[str, Any]:
        """Its attributes by name."""
        return asdict(self)

    def __str__(self) -> str:
        head = f"{self.name:58}  goal {self.goal:>8}"
        if self.measured is None:
            return f"{head}  not measured: {self.note}"
        around = "" if self.interval is None else " ({:.3g} to {:.3g})".format(*self.interval)
        met = "met" if self.met else "missed"
        note = f" ({self.note})" if self.note else ""
        return f"{head}  measured {self.measured:.4g}{around}  {met}{note}"
