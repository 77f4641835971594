"""What a version is given after its fit: thumbnails, and what was found of embeddings in other precisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.novelty.precision_check import MIN_COMPARED, PrecisionCheck
from services.servicekit.embedding import Precision

_CURE: Final = "`lodestone profile refit NAME --photos DIR` is the cure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What was added to a version; unlike all else of it, this grows. The version serves without it too.

    Attributes:
        thumbnail_count: How many of its liked images have a thumbnail, 0 to 64.
        precision_checks: What was found with these thumbnails; at most one per precision.
        damage: Why its thumbnails cannot be used, beginning with the file; empty if they can.
        damaged_checks: Why what was found of a precision cannot be read. It counts as not found.
    """

    thumbnail_count: int = 0
    precision_checks: tuple[PrecisionCheck, ...] = ()
    damage: str = ""
    damaged_checks: Mapping[Precision, str] = field(default_factory=dict)

    def check_of(self, precision: Precision) -> PrecisionCheck | None:
        """What was found of a precision; None if nobody looked yet."""
        checks = (check for check in self.precision_checks if check.precision is precision)
        return next(checks, None)

    def why_not(self, precision: Precision) -> str:
        """Why embeddings of another precision than the version's own are not scored; empty if they are."""
        check = self.check_of(precision)
        if check is not None:
            return "" if check.admitted else _finding(check)
        if self.damage:
            return f"that cannot be seen, for {self.damage}; {_CURE}"
        if self.thumbnail_count < MIN_COMPARED:
            return (
                f"{self.thumbnail_count} thumbnails are too few to see that, {MIN_COMPARED} are needed; "
                f"{_CURE}"
            )
        state = self.damaged_checks.get(precision, "nobody has looked yet")
        return (
            f"{state}; embed its {self.thumbnail_count} thumbnails in {precision} and call CheckPrecision, as a "
            "crawler does by itself"
        )


NOTHING_ADDED: Final = Additions()
"""How a version begins."""


def _finding(check: PrecisionCheck) -> str:
    return (
        f"of {check.image_count} thumbnails {check.moved_count} had another verdict, log-likelihoods shifted by up to "
        f"{check.max_shift_nats:.3g} nats (median {check.median_shift_nats:.3g}), and such shifts move "
        f"{check.moved_share:.1%} of the verdicts on new liked images; {_CURE}"
    )
