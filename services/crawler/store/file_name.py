"""Readable names for kept images."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from services.crawler.listing import Listing

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "AVIF": ".avif"}
_SLUG_MAX = 60


def kept_file_name(listing: Listing, *, format_name: str, digest: str, time: float) -> str:
    """Makes `2026-11-22_earthporn_sunrise-over-the-valley_1f3a9c21.jpg`: date, source, title, digest.

    The suffix follows the bytes' format, never the URL. Only a-z, 0-9, `-`, `_` and one `.` occur, at most 160
    characters, whatever the listing says.

    Args:
        listing: Title and source; without a title the URL's last part serves.
        format_name: For example `JPEG`.
        digest: 64 hex digits; the first eight are used.
        time: Seconds since 1970 (UTC).
    """
    date = datetime.fromtimestamp(time, UTC).date().isoformat()
    parts = urlsplit(listing.url)
    title = listing.title or PurePosixPath(unquote(parts.path)).stem
    suffix = _SUFFIXES.get(format_name, ".img")
    words = [date, _slug(_source_word(listing.source)), _slug(title), digest[:8]]
    return "_".join(word for word in words if word) + suffix


def _source_word(source: str) -> str:
    kind, _, rest = source.partition(":")
    if kind == "page":
        return urlsplit(rest).hostname or ""
    return PurePosixPath(rest).stem


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:_SLUG_MAX].rstrip("-")
