"""Reads what strangers wrote, of any type and depth, without ever failing otherwise than documented."""

from __future__ import annotations

import json
import re
from typing import Any

from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.resolvers.resolution import Answer, Unanswered

# Not html.unescape: in `?a=1&copy=2` it would find a ©.
_ESCAPED = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_ESCAPES = re.compile("|".join(_ESCAPED))

# The end of the year 9999, seconds since 1970.
_LAST_TIME = 253_402_300_799
_TIME_DIGITS = 13

IMAGE_TYPES = {
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    # Listed as well: the decoder takes its first frame.
    "image/gif": ".gif",
}


def is_on(url: WebUrl, domain: str) -> bool:
    """Whether a URL's host is a domain or a name below it: `m.imgur.com` is on `imgur.com`, `evil-imgur.com` is not."""
    return url.host == domain or url.host.endswith(f".{domain}")


def segments(url: WebUrl) -> list[str]:
    """The parts of a path that are not empty, percent-encoded as they are."""
    return [part for part in url.path.split("/") if part]


def web_url(text: object) -> WebUrl | None:
    """A URL out of JSON, where `&` may be escaped as in HTML; None if it is none."""
    if not isinstance(text, str):
        return None
    if "&" in text:
        text = _ESCAPES.sub(lambda match: _ESCAPED[match[0]], text)
    try:
        return parse_url(text.strip())
    except BadUrl:
        return None


def read_json(answer: Answer) -> object:
    """The JSON of an answer.

    Raises:
        Unanswered: It is none, for example an error page, or nested too deeply.
    """
    try:
        return json.loads(answer.text)
    except RecursionError as error:
        raise Unanswered(answer.url, "its JSON is nested too deeply") from error
    except ValueError as error:
        raise Unanswered(answer.url, "it is no JSON") from error


def members(value: object) -> dict[str, Any]:
    """A JSON object's members; none if it is something else."""
    return value if isinstance(value, dict) else {}


def elements(value: object) -> list[Any]:
    """A JSON array's elements; none if it is something else."""
    return value if isinstance(value, list) else []


def word(value: object) -> str:
    """A JSON string; empty if it is something else."""
    return value if isinstance(value, str) else ""


def second_of(value: object) -> float | None:
    """Seconds since 1970, as a number or as the digits that some archives have; None if not between 1970 and 9999."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:_TIME_DIGITS])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < _LAST_TIME else None


def image_suffix(content_type: object) -> str:
    """The suffix for an image's content type, parameters aside; empty if it is not one of those that are kept."""
    return IMAGE_TYPES.get(word(content_type)[:100].partition(";")[0].strip().lower(), "")
