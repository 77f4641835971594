from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.fetch.retry_after import RETRY_AFTER_MAX_S, read_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("0", 0.0), ("120", 120.0), (" 7 ", 7.0), ("3600", 3_600.0), ("3601", 3_600.0)),
        *(("1" + "0" * 12, 3_600.0), ("9" * 5_000, 3_600.0), ("0" * 20, 0.0)),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120.0),
        ("Sun, 01 Mar 2026 13:02:00 +0100", 120.0),
        ("Sun, 01 Mar 2026 12:02:00", 120.0),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2999 00:00:00 GMT", 3_600.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_reads_seconds_and_dates(value: str, seconds: float) -> None:
    """Seconds and dates in all the forms of RFC 9110, cut to an hour; what is over gives 0."""
    assert read_retry_after(value, now=NOW) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "soon", "-5", "1.5", "1e9", "١٢٠", "²", "Sun, 99 Foo 2026 12:02:00 GMT", "0x10", "1,2"],
)
def test_what_cannot_be_read_says_nothing(value: str) -> None:
    """Neither a number of seconds nor a date: as if there were no header."""
    assert read_retry_after(value, now=NOW) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,6} [A-Z][a-z]{2} \d{1,6} \S{0,20} \S{0,9}"))
def test_any_text_gives_none_or_at_most_an_hour(value: str) -> None:
    """Whatever a host writes, nothing is raised and nobody waits longer than an hour."""
    seconds = read_retry_after(value, now=NOW)
    assert seconds is None or 0.0 <= seconds <= RETRY_AFTER_MAX_S


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001
def test_any_date_gives_at_most_an_hour(when: datetime) -> None:
    """The time that is left until a date, within the bounds."""
    aware = when.replace(tzinfo=UTC)
    value = format_datetime(aware, usegmt=True)
    left_s = aware.replace(microsecond=0).timestamp() - NOW
    assert read_retry_after(value, now=NOW) == min(max(left_s, 0.0), RETRY_AFTER_MAX_S)
