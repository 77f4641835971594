from __future__ import annotations

import pytest

from services.crawler.sources.srcset import widest


@pytest.mark.parametrize(
    ("srcset", "reference"),
    [
        ("a.jpg 320w, b.jpg 1280w, c.jpg 640w", "b.jpg"),
        ("a.jpg, b.jpg 2x, c.jpg 1.5x", "b.jpg"),
        ("a.jpg", "a.jpg"),
        ("a.jpg,b.jpg 2x", "a.jpg,b.jpg"),
        ("a.jpg, b.jpg", "a.jpg"),
        ("/w_200,h_100/a.jpg 200w, /w_800,h_400/a.jpg 800w", "/w_800,h_400/a.jpg"),
        (" ,, a.jpg 100w ,\n\tb.jpg 200w,", "b.jpg"),
        ("a.jpg 100w 50h, b.jpg 2w", "a.jpg"),
        ("a.jpg nonsense, b.jpg -5w", "a.jpg"),
        ("data:image/png;base64,AAAA 1x, b.jpg 2x", "b.jpg"),
        ("", ""),
        (" , ,", ""),
        ("a.jpg 99999999999999999999999999w", "a.jpg"),
        ("a.jpg ١w, b.jpg 2x", "b.jpg"),
    ],
)
def test_the_widest_candidate(srcset: str, reference: str) -> None:
    """By width or density; commas inside URLs, blanks and nonsense as the standard reads them."""
    assert widest(srcset) == reference
