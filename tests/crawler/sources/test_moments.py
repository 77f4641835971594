from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources.moments import MOMENT, moment_text, read_moment, read_span
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
        ("", None),
    ],
)
def test_times_are_dates_or_seconds(text, second):
    """In UTC if nothing else is said; an empty text is no time."""
    assert not text or MOMENT.fullmatch(text)
    assert read_moment("x", "after", text) == second


NO_TIMES = """
2024 5 99999999 yesterday 2024-13-01 2024-02-30 0001-01-01 999999999999 1704067200.5 -1704067200 ٢٠٢٤-٠١-٠١
"""


@pytest.mark.parametrize("text", [*NO_TIMES.split(), "9" * 40])
def test_what_is_no_time_says_so(text):
    """Also what looks like seconds but lies before any post."""
    with pytest.raises(BadSource, match="after is n"):
        read_moment("x", "after", text)


@given(st.integers(100_000_000, 253_402_300_799))
def test_every_second_has_one_text(second):
    """It reads as that second again."""
    text = moment_text(second)
    assert MOMENT.fullmatch(text)
    assert read_moment("x", "after", text) == second


def test_a_span_has_its_ends_the_right_way_round():
    """Each end may be missing; an empty span is refused."""
    assert read_span("x", "2024-01-01", "") == (JANUARY, None)
    assert read_span("x", "", "2024-01-01") == (None, JANUARY)
    assert read_span("x", "", "") == (None, None)
    assert moment_text(None) == ""
    for before in ("2024-01-01", "2023-12-31"):
        with pytest.raises(BadSource, match="earlier"):
            read_span("x", "2024-01-01", before)
