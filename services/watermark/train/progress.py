"""How far a training is, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_TOLD_EVERY_S = 30.0
_RATES = {"_auc": "AUC", "_tpr_at_5": "TPR at 5 % FPR"}
_MEASURED = ("_loss", *_RATES)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is.

    Attributes:
        unit: What is counted: `step`; of a head `image`, then `pair`.
        done: How many are done.
        total: Of how many.
        loss: The mean since it was last told; None if there is none.
        held_out: What was measured on held-out photos, as `HeldOutImages.report` names it; empty between two points.
        seconds_each: Wall-clock time for one, whatever it was spent on; None before it is known.
    """

    unit: str
    done: int
    total: int
    loss: float | None = None
    held_out: Mapping[str, float] = field(default_factory=dict)
    seconds_each: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Until the last one is done; None before it is known."""
        return None if self.seconds_each is None else self.seconds_each * (self.total - self.done)

    def facts(self) -> dict[str, float | None]:
        """Everything, for a program."""
        return {
            self.unit: self.done,
            f"{self.unit}s": self.total,
            "loss": self.loss,
            **self.held_out,
            f"seconds_per_{self.unit}": self.seconds_each,
            "seconds_left": self.seconds_left,
        }

    def line(self) -> str:
        """`step 500 of 6,000: loss 0.412; AUC 0.912 first, 0.881 second; 1.4 s a step, 2 h 8 min left`."""
        said = [] if self.loss is None else [f"loss {self.loss:.3f}"]
        said += rates_in_words(self.held_out)
        if self.seconds_each is not None and self.seconds_left is not None:
            each = f"{self.seconds_each:.2g} s a {self.unit}"
            said.append(
                f"{each}, {duration(self.seconds_left)} left" if self.seconds_left else each
            )
        place = f"{self.unit} {self.done:,} of {self.total:,}"
        return f"{place}: {'; '.join(said)}" if said else place


Tell = Callable[[Progress], None]
"""Is told where a training is."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to.

    Attributes:
        threshold: Probability of an image that clean ones are hardly ever over.
        held_out: The last point of the curves.
    """

    threshold: float
    held_out: Mapping[str, float]


class Pace:
    """Counts what is done, and tells where that is: at each point of the curves, and every half a minute between."""

    def __init__(
        self, unit: str, total: int, tell: Tell, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._unit = unit
        self._total = total
        self._tell = tell
        self._clock = clock
        self._told_s = clock()
        self._losses: list[float] = []
        # From the first that is done on: processes that begin take seconds.
        self._first: tuple[int, float] | None = None

    def advance(self, done: int, loss: float | None = None) -> None:
        """So many are done now."""
        now_s = self._clock()
        self._first = self._first or (done, now_s)
        if loss is not None:
            self._losses.append(loss)
        if now_s - self._told_s >= _TOLD_EVERY_S:
            mean = sum(self._losses) / len(self._losses) if self._losses else None
            self._say(done, mean, {})

    def measured(self, done: int, point: Mapping[str, float]) -> None:
        """So many are done, and a point of the curves is there: the `loss`, and what was measured."""
        held_out = {name: value for name, value in point.items() if name.endswith(_MEASURED)}
        self._say(done, point["loss"], held_out)

    def _say(self, done: int, loss: float | None, held_out: Mapping[str, float]) -> None:
        self._told_s, self._losses = self._clock(), []
        each = self._seconds_each(done)
        self._tell(Progress(self._unit, done, self._total, loss, held_out, each))

    def _seconds_each(self, done: int) -> float | None:
        if self._first is None or done <= self._first[0]:
            return None
        return (self._clock() - self._first[1]) / (done - self._first[0])


def silent(_progress: Progress) -> None:
    """Tells nobody."""


def rates_in_words(held_out: Mapping[str, float]) -> list[str]:
    """`AUC 0.912 first, 0.881 second`, and the same of the true-positive rate; nothing of what was not measured."""
    words = []
    for ending, rate in _RATES.items():
        values = [
            f"{value:.3f} {name.removesuffix(ending)}"
            for name, value in held_out.items()
            if name.endswith(ending)
        ]
        if values:
            words.append(f"{rate} {', '.join(values)}")
    return words


def duration(seconds: float) -> str:
    """`2 h 8 min`, `12 min` or `40 s`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
