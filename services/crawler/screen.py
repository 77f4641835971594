"""The screen: which sizes and shapes are worth judging at all."""

from __future__ import annotations

from dataclasses import dataclass

from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode


@dataclass(frozen=True, slots=True)
class Screen:
    """Bounds on an upright image; equality passes. Wide is allowed more than tall: it is for landscapes.

    Attributes:
        min_pixels: Width × height at least; the default is 1280 × 1024.
        max_width_ratio: Width ÷ height at most.
        max_height_ratio: Height ÷ width at most.
    """

    min_pixels: int = 1_310_720
    max_width_ratio: float = 3.0
    max_height_ratio: float = 2.0

    def check(self, width_px: int, height_px: int) -> None:
        """Passes a size.

        Raises:
            ItemRejected: TOO_SMALL or EXTREME_ASPECT.
        """
        size = f"{width_px}x{height_px} pixels"
        if width_px * height_px < self.min_pixels:
            reason = f"{size} are {width_px * height_px:,}, under {self.min_pixels:,}"
            raise ItemRejected(RejectionCode.TOO_SMALL, reason)
        # Products, not quotients: exactly three to one passes whatever the numbers.
        if width_px > self.max_width_ratio * height_px:
            reason = f"{size} are {width_px / height_px:.2f} to 1, over {self.max_width_ratio:g}"
            raise ItemRejected(RejectionCode.EXTREME_ASPECT, reason)
        if height_px > self.max_height_ratio * width_px:
            reason = f"{size} are 1 to {height_px / width_px:.2f}, over {self.max_height_ratio:g}"
            raise ItemRejected(RejectionCode.EXTREME_ASPECT, reason)
