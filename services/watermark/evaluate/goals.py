"""What a detector is meant to reach, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.watermark.evaluate.groups import Flagged
from services.watermark.evaluate.judged_image import JudgedImage, Truth
from services.watermark.evaluate.metrics import Estimate, measure

AUC_MIN: Final = 0.97
TPR_MIN: Final = 0.85
SPREAD_TPR_MIN: Final = 0.97
FLAGGED_MAX: Final = 0.02
OPACITY_MIN: Final = 0.3
WIDTH_MIN: Final = 0.08
_SPREAD: Final = ("tiled", "diagonal")


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal.

    Attributes:
        words: What it is about.
        target: The number to reach.
        at_least: Whether more is better; else the number is a limit. Exactly it is reached.
        measured: What was measured.
    """

    words: str
    target: float
    at_least: bool
    measured: Estimate

    @property
    def met(self) -> bool:
        """Whether the measured value itself reaches it, whatever its interval."""
        value = self.measured.value
        return value >= self.target if self.at_least else value <= self.target


def goals_of(
    judged: Sequence[JudgedImage], sources: Sequence[Flagged], threshold: float
) -> list[Goal]:
    """The goals that these images can say something about, generator by generator, then source by source."""
    clean = [image for image in judged if image.facts.truth is Truth.CLEAN]
    marked = [image for image in judged if image.facts.truth is Truth.MARKED]
    goals: list[Goal] = []
    for generator in sorted({image.facts.generator for image in marked} - {""}):
        drawn = [image for image in marked if image.facts.generator == generator]
        visible = [image for image in drawn if _visible(image)]
        if visible:
            rates = measure(clean, visible, threshold=threshold)
            sort = f"{generator}, opacity >= {OPACITY_MIN:g} and width >= {WIDTH_MIN:.0%}"
            goals.append(Goal(f"{sort}: AUC", AUC_MIN, True, rates.auc))
            goals.append(Goal(f"{sort}: TPR at 5 % FPR", TPR_MIN, True, rates.tpr_at_5))
        for kind in _SPREAD:
            these = [image for image in visible if image.facts.kind == kind]
            if these:
                rates = measure(clean, these, threshold=threshold)
                words = f"{generator}, {kind} of these: TPR at 5 % FPR"
                goals.append(Goal(words, SPREAD_TPR_MIN, True, rates.tpr_at_5))
    goals += [
        Goal(f"clean photos of {source.name} flagged", FLAGGED_MAX, False, source.share)
        for source in sources
    ]
    return goals


def _visible(image: JudgedImage) -> bool:
    opacity, width = image.facts.opacity, image.facts.width_ratio
    return (
        opacity is not None and width is not None and opacity >= OPACITY_MIN and width >= WIDTH_MIN
    )
