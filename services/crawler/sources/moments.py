"""Times in the options of a source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from services.crawler.sources.source import BadSource

# Of such an option, for `split_options`: what is no time is told by `read_span`, in words.
ANY_TEXT = re.compile(r".*", re.DOTALL)

_DAY_S = 86_400
# In March 1973: what has fewer than nine digits, `2024` for example, is not meant as seconds.
_FIRST_SECOND = 100_000_000
# The end of the year 9999.
_LAST_SECOND = 253_402_300_799
# Of a number: with as many digits it is beyond the last second already, unless it begins with zeros.
_DIGITS_MAX = 40


def read_span(source: str, options: Mapping[str, str]) -> tuple[int | None, int | None]:
    """The seconds of the options `after` and `before`, the first earlier than the second; None for one not given.

    Raises:
        BadSource: One is no time, or they are the wrong way round.
    """
    first, end = (
        read_moment(source, name, options[name]) if name in options else None
        for name in ("after", "before")
    )
    require_order(source, first, end)
    return first, end


def require_order(source: str, after: int | None, before: int | None) -> None:
    """Passes two times of which the first is earlier, or one is missing.

    Raises:
        BadSource: They are the wrong way round, or the same.
    """
    if after is not None and before is not None and after >= before:
        how = "later than" if after > before else "the same as"
        raise BadSource(source, f"after is {how} before: nothing lies between them")


def read_moment(source: str, name: str, text: str) -> int:
    """A time as seconds since 1970: `2024-01-01` or `2024-01-01T12:00`, in UTC, or the number.

    Raises:
        BadSource: It is none of them, or not between 1974 and 9999.
    """
    is_number = text.isascii() and text.isdigit() and len(text) >= len(str(_FIRST_SECOND))
    second = int(text[:_DIGITS_MAX]) if is_number else _iso_second(source, name, text)
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
        cause = f"{name}: {text[:50]!r} is no time: write 2024-01-31 or seconds since 1970"
        raise BadSource(source, cause) from error
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
