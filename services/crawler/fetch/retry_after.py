"""`Retry-After`: how long a host asks to be left alone (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_S = 3_600.0


def read_retry_after(value: str, *, now: float) -> float | None:
    """Reads seconds or an HTTP date.

    Args:
        value: The header's value; empty if there is none.
        now: Seconds since 1970.

    Returns:
        Seconds to wait from now, in [0, 3,600]: a host that names a year is asked again after an hour. None if nothing
        can be read.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        # Longer numbers are beyond the limit anyway, and quadratic to read.
        return min(float(text[:12]), RETRY_AFTER_MAX_S)
    try:
        until = parsedate_to_datetime(text)
        left_s = until.replace(tzinfo=until.tzinfo or UTC).timestamp() - now
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
    return min(max(left_s, 0.0), RETRY_AFTER_MAX_S)
