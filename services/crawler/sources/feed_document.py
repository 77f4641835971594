"""RSS and Atom documents, read by feedparser, which is given bytes and fetches nothing."""

from __future__ import annotations

import io
import math
import re
import sys
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import feedparser

from services.crawler.fetch.charset import decode_html
from services.crawler.fetch.document import Document
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.sources.html_tags import Tag, read_tags
from services.servicekit.errors import InvalidInput

# A hostile one of this size is nine seconds of work, a real one of one megabyte one (measured).
FEED_MAX_BYTES = 5_000_000
FEED_ACCEPT = (
    "application/atom+xml,application/rss+xml,application/xml;q=0.9,text/xml;q=0.8,*/*;q=0.1"
)
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml"})
_LINKS_SHOWN = 3
# Of some numbers there is no character; for one of them (halves of UTF-16 in emoji) feedparser gives a whole feed up.
_CHARACTER = re.compile(rb"&#(?:x([0-9a-f]+)|([0-9]+));?", re.IGNORECASE)
_NO_CHARACTER = b"&#65533;"
_CHARACTER_DIGITS = 8
# What feedparser trips over in documents that nobody means to be read.
_TRIPS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError)
# The end of the year 9999, seconds since 1970.
_LAST_TIME = 253_402_300_799


class NoFeed(InvalidInput):
    """A document that is no feed.

    Attributes:
        cause: What it is instead.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"this is no RSS or Atom feed: {cause}")
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed, as feedparser reads it: names of all formats become those of one.

    Attributes:
        facts: What it says of itself.
        entries: Its entries, in its order.
        url: Where it came from, for relative addresses.
    """

    facts: Mapping[str, Any]
    entries: list[Mapping[str, Any]]
    url: WebUrl


def read_feed(document: Document) -> Feed:
    """Reads a feed, well-formed or not, in whatever encoding it really has.

    Entities of its own are left as they stand, and nothing that it names is fetched.

    Raises:
        NoFeed: It is something else: an HTML page, for example, whose own feeds are then named.
    """
    headers = {"content-type": document.content_type, "content-location": document.final_url}
    try:
        # A stream: feedparser would take bytes for the name of a file, if there is one.
        found = feedparser.parse(
            io.BytesIO(_CHARACTER.sub(_character, document.body)),
            response_headers=headers,
            resolve_relative_uris=False,
            sanitize_html=False,
        )
    except (*_TRIPS, ValueError) as error:
        raise NoFeed("it cannot be read") from error
    if not found.get("version") and not found.entries:
        raise NoFeed(_what_else(document))
    return Feed(found.feed, found.entries, parse_url(document.final_url))


def entry_time(entry: Mapping[str, Any]) -> float | None:
    """When an entry was published, else changed, seconds since 1970; None if it says nothing that is a time."""
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        # Not by feedparser's own `get`, which takes one for the other and warns of it.
        parts = dict.get(entry, name) if isinstance(entry, dict) else None
        if parts is None:
            continue
        try:
            second = float(timegm(parts))
        except (OverflowError, TypeError, ValueError):
            continue
        if math.isfinite(second) and 0 < second < _LAST_TIME:
            return second
    return None


def _character(match: re.Match[bytes]) -> bytes:
    digits = (match[1] or match[2]).lstrip(b"0") or b"0"
    number = int(digits, 16 if match[1] else 10) if len(digits) <= _CHARACTER_DIGITS else -1
    is_one = 0 < number < 0xD800 or 0xE000 <= number <= sys.maxunicode
    return match[0] if is_one else _NO_CHARACTER


def _what_else(document: Document) -> str:
    if not document.body.strip():
        return "it is empty"
    html = decode_html(document.body, document.content_type)
    tags = [tag for tag in read_tags(html[:200_000]) if isinstance(tag, Tag)]
    if not any(tag.name in ("html", "head", "body") for tag in tags):
        return f"it is {document.content_type.partition(';')[0][:100] or 'of no stated type'}"
    links = [link for tag in tags if (link := _feed_link(tag, document.final_url))]
    named = f"; it names these: {', '.join(links[:_LINKS_SHOWN])}" if links else ""
    return f"it is an HTML page{named}"


def _feed_link(tag: Tag, page: str) -> str:
    """The address in `<link rel=alternate type=application/rss+xml>`; empty if it is none."""
    attributes = tag.attributes
    if tag.name != "link" or attributes.get("type", "").lower() not in _FEED_TYPES:
        return ""
    try:
        return parse_url(page).join(attributes.get("href", "")).text
    except BadUrl:
        return ""
