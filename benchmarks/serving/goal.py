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
        measured: What it is.
        interval: The 95 % interval over which images happened to be there; None without one.
        met: Whether it is reached.
        must: Whether it makes the exit status 1 if it is not: the others depend on the photos.
    """

    name: str
    goal: str
    measured: float
    interval: tuple[float, float] | None = None
    met: bool
    must: bool = True

    def to_json(self) -> dict[str, Any]:
        """Its attributes by name."""
        return asdict(self)

    def __str__(self) -> str:
        around = "" if self.interval is None else " ({:.3g} to {:.3g})".format(*self.interval)
        met = "met" if self.met else "missed"
        return f"{self.name:58} goal {self.goal:>8}  measured {self.measured:.4g}{around}  {met}"
