from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources.moments import moment_text, read_moment, read_span, require_order
from services.crawler.sources.source import BadSource

JANUARY = 1_704_067_200


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2024-01-01", JANUARY),
        ("20240101", JANUARY),
        ("2024-01-01T12:00", JANUARY + 43_200),
        ("2024-01-01 00:00:05", JANUARY + 5),
        ("2024-01-01T00:00:00Z", JANUARY),
        ("2024-01-01T02:00+02:00", JANUARY),
        ("1704067200", JANUARY),
        ("9999-12-31", 253_402_214_400),
    ],
)
def test_times_are_dates_or_seconds(text, second):
    """In UTC if nothing else is said."""
    assert read_moment("x", "after", text) == second


NO_TIMES = """
2024 5 99999999 yesterday 2024-13-01 2024-02-30 0001-01-01 999999999999 1704067200.5 -1704067200 ٢٠٢٤-٠١-٠١
"""


@pytest.mark.parametrize("text", [*NO_TIMES.split(), "", "tomorrow", "9" * 40, "9" * 9_000, "x\ny"])
def test_what_is_no_time_says_so(text):
    """Also what looks like seconds but lies before any post; in words, and in one line."""
    with pytest.raises(BadSource) as bad:
        read_moment("x", "after", text)
    cause = bad.value.cause
    no_time = f"after: {text[:50]!r} is no time: write 2024-01-31 or seconds since 1970"
    assert cause in (no_time, "after is not between 1974 and 9999")
    assert "\n" not in cause


def test_times_that_nobody_can_mean():
    """A year alone is no time; a first century is one that no post has."""
    with pytest.raises(BadSource, match="'2024-13-01' is no time: write 2024-01-31 or seconds"):
        read_moment("x", "before", "2024-13-01")
    with pytest.raises(BadSource, match="before is not between 1974 and 9999"):
        read_moment("x", "before", "0001-01-01")


@given(st.integers(100_000_000, 253_402_300_799))
def test_every_second_has_one_text(second):
    """It reads as that second again."""
    text = moment_text(second)
    assert read_moment("x", "after", text) == second


def test_a_span_has_its_ends_the_right_way_round():
    """Each end may be missing; an empty span is refused."""
    assert read_span("x", {"after": "2024-01-01"}) == (JANUARY, None)
    assert read_span("x", {"before": "2024-01-01", "depth": "2"}) == (None, JANUARY)
    assert read_span("x", {}) == (None, None)
    assert moment_text(None) == ""
    for before, words in (("2024-01-01", "the same as"), ("2023-12-31", "later than")):
        with pytest.raises(BadSource, match=f"after is {words} before"):
            read_span("x", {"after": "2024-01-01", "before": before})
    with pytest.raises(BadSource, match="after is later than before"):
        require_order("x", 2, 1)
