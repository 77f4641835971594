from __future__ import annotations

import pytest

from services.crawler.screen import Screen, ScreenedOut
from services.servicekit.rejection import RejectionCode


@pytest.mark.parametrize(
    ("width_px", "height_px"),
    [(1_280, 1_024), (1_024, 1_280), (1_983, 661), (3_000, 1_000), (810, 1_620), (4_000, 3_000)],
)
def test_equality_passes(width_px: int, height_px: int) -> None:
    """Exactly 1280×1024 pixels, three to one and one to two pass."""
    assert Screen().passes((width_px, height_px))


@pytest.mark.parametrize(
    ("width_px", "height_px", "code", "words"),
    [
        (1_279, 1_024, RejectionCode.TOO_SMALL, "1,309,696, under 1,310,720"),
        (1, 1, RejectionCode.TOO_SMALL, "1x1 pixels are 1, under"),
        (3_001, 1_000, RejectionCode.EXTREME_ASPECT, "3.00 to 1, over 3"),
        (30_000, 100, RejectionCode.EXTREME_ASPECT, "300.00 to 1, over 3"),
        (1_000, 2_001, RejectionCode.EXTREME_ASPECT, "1 to 2.00, over 2"),
        (100, 30_000, RejectionCode.EXTREME_ASPECT, "1 to 300.00, over 2"),
    ],
)
def test_what_is_beyond_is_rejected(
    width_px: int, height_px: int, code: RejectionCode, words: str
) -> None:
    """One pixel beyond a bound is rejected, with the numbers."""
    with pytest.raises(ScreenedOut) as rejected:
        Screen().check(width_px, height_px)
    assert rejected.value.code is code
    assert words in rejected.value.reason
    assert rejected.value.size_px == (width_px, height_px)
    assert not Screen().passes((width_px, height_px))


def test_all_bounds_can_be_set() -> None:
    """A screen that allows everything allows everything."""
    assert Screen(min_pixels=0, max_width_ratio=1e9, max_height_ratio=1e9).passes((30_000, 1))
    assert not Screen(min_pixels=0, max_width_ratio=1.0).passes((2, 1))
