"""The screen: which sizes and shapes are worth judging at all."""

from __future__ import annotations

from dataclasses import dataclass

from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode


class ScreenedOut(ItemRejected):
    """An image whose size or shape the screen leaves out.

    Attributes:
        size_px: Its width and height.
    """

    def __init__(self, code: RejectionCode, reason: str, *, size_px: tuple[int, int]) -> None:
        super().__init__(code, reason)
        self.size_px = size_px


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
            ScreenedOut: TOO_SMALL or EXTREME_ASPECT.
        """
        size = f"{width_px}x{height_px} pixels"
        code, reason = RejectionCode.EXTREME_ASPECT, ""
        if width_px * height_px < self.min_pixels:
            code = RejectionCode.TOO_SMALL
            reason = f"{size} are {width_px * height_px:,}, under {self.min_pixels:,}"
        # Products, not quotients: exactly three to one passes whatever the numbers.
        elif width_px > self.max_width_ratio * height_px:
            reason = f"{size} are {width_px / height_px:.2f} to 1, over {self.max_width_ratio:g}"
        elif height_px > self.max_height_ratio * width_px:
            reason = f"{size} are 1 to {height_px / width_px:.2f}, over {self.max_height_ratio:g}"
        if reason:
            raise ScreenedOut(code, reason, size_px=(width_px, height_px))

    def passes(self, size_px: tuple[int, int]) -> bool:
        """Whether a width and height pass."""
        try:
            self.check(*size_px)
        except ScreenedOut:
            return False
        return True
