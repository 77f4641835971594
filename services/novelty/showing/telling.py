"""Which liked images tell a person most about a profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from services.novelty.mixture import Floats

TELLING_MAX: Final = 64

_LEAST_TYPICAL: Final = 24
_MOST_TYPICAL: Final = 16
_NEXT_TO_THRESHOLD: Final = 16


def telling_positions(held_out: Sequence[float | None], threshold_nats: float) -> list[int]:
    """The positions, ascending, of at most 64 liked images that are worth a look.

    They are the 24 that score lowest, the 16 that score highest, the 16 next to the threshold, and as many more as
    there is room for, spread evenly over the scores of the others. Images without a score are left out.

    Args:
        held_out: The log-likelihood of each, nats, under a mixture fitted without it; None if there is none.
        threshold_nats: The profile's threshold.
    """
    scored = np.flatnonzero([score is not None for score in held_out])
    scores = np.array([score for score in held_out if score is not None], np.float64)
    order = np.argsort(scores, kind="stable")
    chosen = set(order[:_LEAST_TYPICAL].tolist()) | set(order[-_MOST_TYPICAL:].tolist())
    chosen |= set(_nearest(scores, threshold_nats))
    others = np.array([place for place in order.tolist() if place not in chosen], np.intp)
    chosen |= set(_spread(others, TELLING_MAX - len(chosen)))
    return sorted(scored[np.array(list(chosen), np.intp)].tolist())


def _nearest(scores: Floats, threshold_nats: float) -> Iterator[int]:
    distances = np.abs(scores - threshold_nats)
    yield from np.argsort(distances, kind="stable")[:_NEXT_TO_THRESHOLD].tolist()


def _spread(places: npt.NDArray[np.intp], count: int) -> Iterator[int]:
    """At most so many of the places, from equal steps apart."""
    if len(places) <= count:
        yield from places.tolist()
        return
    steps = (np.arange(count) + 0.5) * len(places) / count
    yield from places[steps.astype(int)].tolist()
