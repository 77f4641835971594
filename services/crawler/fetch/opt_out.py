"""Opt-outs: what a host says of indexing and machine learning, in headers and `<meta>` elements.

`noindex` and `none` are those of Google's robots meta specification
(https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag), `noai` and `noimageai` those that
DeviantArt began (https://www.deviantart.com/team/journal/UPDATE-All-Deviations-Are-Opted-Out-of-AI-Datasets-934500371).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PRODUCT_TOKEN = "lodestone"  # noqa: S105 - what robots.txt calls us

_OPT_OUTS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
_NO_FOLLOW = frozenset({"nofollow", "none"})
# `googlebot: noindex` is for that crawler only; `unavailable_after: date` and `max-…: n` are no names of crawlers.
_FOR_ONE_CRAWLER = re.compile(r"\s*([a-z0-9_-]+)\s*:(.*)", re.DOTALL)
_WITH_A_VALUE = re.compile(r"unavailable_after|max-[a-z-]+")
_META_NAMES = frozenset({"robots", PRODUCT_TOKEN})
_TEXT_MAX_CHARACTERS = 2_000


def opt_out_of_headers(values: Iterable[str]) -> str:
    """The first directive of the `X-Robots-Tag` headers that asks us to leave the answer alone; empty if none does."""
    for value in values:
        words, for_us = value[:_TEXT_MAX_CHARACTERS].lower(), True
        named = _FOR_ONE_CRAWLER.match(words)
        if named is not None and not _WITH_A_VALUE.fullmatch(named[1]):
            words, for_us = named[2], named[1] == PRODUCT_TOKEN
        found = _first_of(words, _OPT_OUTS) if for_us else ""
        if found:
            return found
    return ""


def opt_out_of_meta(name: str, content: str) -> str:
    """The directive of a `<meta name content>` element that asks us to leave the page alone; empty if none does."""
    return _first_of(content, _OPT_OUTS) if _is_for_us(name) else ""


def forbids_following(name: str, content: str) -> bool:
    """Whether a `<meta name content>` element asks us not to follow the page's links."""
    return _is_for_us(name) and bool(_first_of(content, _NO_FOLLOW))


def _is_for_us(name: str) -> bool:
    return name.strip().lower() in _META_NAMES


def _first_of(words: str, wanted: frozenset[str]) -> str:
    found = re.split(r"[\s,;]+", words[:_TEXT_MAX_CHARACTERS].lower())
    return next((word for word in found if word in wanted), "")
