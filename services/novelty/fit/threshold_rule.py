"""Where a threshold goes: by a share of the liked images, by a share of the background sample, or as stated."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Self

from services.novelty.calibration import threshold_of, threshold_passed_by
from services.novelty.mixture import Floats
from services.novelty.profile import Taste
from services.servicekit.errors import InvalidInput


class NoBackground(InvalidInput):
    """A pass ratio was asked for without images to take it of."""

    def __init__(self) -> None:
        super().__init__("a pass_ratio is a share of the background sample, and none was given")


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """One way to set a threshold, or none.

    Attributes:
        keep_ratio: The share of liked images that must pass, in (0, 1].
        pass_ratio: The share of the background sample that may pass, in (0, 1].
        threshold_nats: The threshold itself.

    Raises:
        InvalidInput: One is out of its range, or two are set.
    """

    keep_ratio: float | None = None
    pass_ratio: float | None = None
    threshold_nats: float | None = None

    def __post_init__(self) -> None:
        ratios = {"keep_ratio": self.keep_ratio, "pass_ratio": self.pass_ratio}
        for name, ratio in ratios.items():
            if ratio is not None and not (isfinite(ratio) and 0.0 < ratio <= 1.0):
                raise InvalidInput(f"{name} is {ratio:g}, not over 0 and up to 1")
        if self.threshold_nats is not None and not isfinite(self.threshold_nats):
            raise InvalidInput(f"threshold_nats is {self.threshold_nats:g}, not a finite number")
        ways = ratios | {"threshold_nats": self.threshold_nats}
        stated = [name for name, value in ways.items() if value is not None]
        if len(stated) > 1:
            raise InvalidInput(
                f"{' and '.join(stated)} are set: one of them says where the threshold goes"
            )

    @classmethod
    def of(cls, taste: Taste) -> Self:
        """The rule that a taste's threshold was set by."""
        if taste.keep_ratio is None and taste.pass_ratio is None:
            return cls(threshold_nats=taste.threshold_nats)
        return cls(taste.keep_ratio, taste.pass_ratio)

    @property
    def is_stated(self) -> bool:
        """Whether there is one."""
        return self != ThresholdRule()

    def threshold_nats_of(
        self, held_out: Floats, background: Floats, *, is_relative: bool
    ) -> float:
        """The threshold, nats.

        Args:
            held_out: (n,) log-likelihoods of held-out liked images, n over 0.
            background: (m,) of the background sample.
            is_relative: Whether they are relative to a background. Under 0 an image is then likelier an ordinary one
                than a liked one, so that no share of the liked images puts the threshold lower.

        Raises:
            NoBackground: A pass ratio without a background sample.
            InvalidInput: No rule is stated.
        """
        if self.threshold_nats is not None:
            return self.threshold_nats
        if self.pass_ratio is not None:
            if not background.size:
                raise NoBackground
            return threshold_passed_by(background, self.pass_ratio)
        if self.keep_ratio is None:
            raise InvalidInput("nothing says where the threshold goes")
        threshold_nats = threshold_of(held_out, self.keep_ratio)
        return max(threshold_nats, 0.0) if is_relative else threshold_nats
