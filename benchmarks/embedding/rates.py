"""How many images went through, by the clock and by CPU time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Rates:
    """Images in a second.

    Attributes:
        per_wall_s: By the clock.
        per_cpu_s: By the CPU time of all processes that had a part in it.
    """

    per_wall_s: float
    per_cpu_s: float

    @classmethod
    def of(cls, count: int, wall_s: float, cpu_s: float) -> Rates:
        """Of `count` images that took so long."""
        return cls(count / wall_s, count / cpu_s)

    @classmethod
    def middle(cls, turns: Sequence[Rates]) -> Rates:
        """The median of each over the turns."""
        return cls(median(one.per_wall_s for one in turns), median(one.per_cpu_s for one in turns))

    def over(self, others: Rates) -> dict[str, float]:
        """The ratio to the other rates, each."""
        return {
            "by_the_clock": round(self.per_wall_s / others.per_wall_s, 3),
            "by_cpu_time": round(self.per_cpu_s / others.per_cpu_s, 3),
        }

    def to_json(self) -> dict[str, float]:
        """Its attributes by name."""
        return {name: round(value, 2) for name, value in asdict(self).items()}
