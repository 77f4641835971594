"""What is killed when: made of a seed, so that a failure can be repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.failpoints import PURGE_POINTS, Trap

# The longest that a crawler lives that is killed from outside: its start is over after about half of that.
_LIFE_S = 1.2
# And how long after a pass one is killed that set its own trap.
_LATER_S = 0.05
_PASSES = 6
# Of the crawler's lives, those in which something else is killed beside it, one in so many.
_BESIDE_EVERY = 4


@dataclass(frozen=True)
class Kill:
    """One life of a crawler.

    Attributes:
        trap: What ends it; None if it is killed from outside.
        life_s: How long it lives then, seconds.
        beside: What else is killed meanwhile: `decoder`, `models`, `PostgreSQL` or `SeaweedFS`; empty for nothing.
        beside_s: When, seconds after its start.
    """

    trap: Trap | None
    life_s: float
    beside: str
    beside_s: float

    @property
    def where(self):
        """What a report calls it."""
        if self.trap is None:
            return "any instant of its life"
        return (
            f"up to {_LATER_S * 1_000:g} ms after FETCHED" if self.trap.delay_s else self.trap.point
        )


def plan_kills(points, others, *, count, seed):
    """As many lives: every point at least once, the same number of times or so, and instants between them.

    Args:
        points: The points that the crawler passes.
        others: What else can be killed.
        count: How many; not counted are those of `plan_purge_kills`.
        seed: Of everything that is random.
    """
    rng = random.Random(seed)
    kinds = [*points, "later", "outside"]
    chosen = [kinds[number % len(kinds)] for number in range(count)]
    rng.shuffle(chosen)
    return [_kill(kind, others, number, rng) for number, kind in enumerate(chosen)]


def plan_purge_kills():
    """One at each point of a purge."""
    return [Trap(point.name) for point in PURGE_POINTS]


def _kill(kind, others, number, rng):
    beside = others[number // _BESIDE_EVERY % len(others)] if number % _BESIDE_EVERY == 0 else ""
    return Kill(_trap(kind, rng), rng.uniform(0.0, _LIFE_S), beside, rng.uniform(0.1, 0.6))


def _trap(kind, rng):
    if kind == "outside":
        return None
    passes = rng.randint(1, _PASSES)
    if kind == "later":
        return Trap("FETCHED", passes, delay_s=rng.uniform(0.001, _LATER_S))
    # A crawl lists once, if it is not killed there.
    return Trap(kind.name, 1 if kind.name == "LISTED" else passes)
