"""Times in the options of a source."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from services.crawler.sources.source import BadSource

# What the value of such an option is made of, for `split_options`.
MOMENT = re.compile(r"[0-9TZ:+. -]{1,40}")

_DAY_S = 86_400
# In March 1973: what has fewer than nine digits, `2024` for example, is not meant as seconds.
_FIRST_SECOND = 100_000_000
# The end of the year 9999.
_LAST_SECOND = 253_402_300_799


def read_span(source: str, after: str, before: str) -> tuple[int | None, int | None]:
    """The seconds of two times, the first earlier than the second; None for an empty one.

    Raises:
        BadSource: One is no time, or they are the wrong way round.
    """
    first, end = read_moment(source, "after", after), read_moment(source, "before", before)
    if first is not None and end is not None and first >= end:
        raise BadSource(source, "after must be earlier than before")
    return first, end


def read_moment(source: str, name: str, text: str) -> int | None:
    """A time as seconds since 1970: `2024-01-01` or `2024-01-01T12:00`, in UTC, or the number; None of an empty text.

    Raises:
        BadSource: It is none of them, or not between 1974 and 9999.
    """
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) >= len(str(_FIRST_SECOND))
    second = int(text) if is_number else _iso_second(source, name, text)
    if not _FIRST_SECOND <= second <= _LAST_SECOND:
        raise BadSource(source, f"{name} is not between 1974 and 9999")
    return second


def moment_text(second: int | None) -> str:
    """The one way to write a time: a date if it is midnight, else the number; empty for None."""
    if second is None:
        return ""
    is_midnight = second % _DAY_S == 0
    return datetime.fromtimestamp(second, UTC).date().isoformat() if is_midnight else str(second)


def _iso_second(source: str, name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        cause = f"{name} is neither a date such as 2024-01-01 nor seconds since 1970"
        raise BadSource(source, cause) from error
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
