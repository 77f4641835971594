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
# `googlebot: noindex` is for that crawler only, up to a comma or the next name; `unavailable_after: date` and
# `max-…: n` are no names of crawlers.
_PART = re.compile(r"[,;]|\s(?=[a-z_*][a-z0-9_.*/-]*\s*:)")
_FOR_ONE_CRAWLER = re.compile(r"\s*([a-z_*][a-z0-9_.*-]*)(?:/[a-z0-9_.*/-]*)?\s*:(.*)", re.DOTALL)
_WITH_A_VALUE = re.compile(r"unavailable_after|max-[a-z-]+")
_META_NAMES = frozenset({"robots", PRODUCT_TOKEN})
# More than a client reads of a whole header. What lies behind cannot be known, and might be an opt-out.
_TEXT_MAX_CHARACTERS = 20_000
TOO_LONG = "too much to read"


def opt_out_of_headers(values: Iterable[str]) -> str:
    """The first directive of the `X-Robots-Tag` headers that asks us to leave the answer alone; empty if none does.

    `googlebot: nofollow, noai` does: the standard does not say whether what stands behind the comma is for that crawler
    only. `TOO_LONG` if a header has more than 20,000 characters.
    """
    for value in values:
        found = _first_of_header(value.lower())
        if found:
            return found
    return ""


def opt_out_of_meta(name: str, content: str) -> str:
    """The directive of a `<meta name content>` element that asks us to leave the page alone; empty if none does.

    `TOO_LONG` if it has more than 20,000 characters.
    """
    return _first_of(content, _OPT_OUTS) if _is_for_us(name) else ""


def forbids_following(name: str, content: str) -> bool:
    """Whether a `<meta name content>` element asks us not to follow the page's links."""
    return _is_for_us(name) and bool(_first_of(content, _NO_FOLLOW))


def _is_for_us(name: str) -> bool:
    return name.strip().lower() in _META_NAMES


def _first_of_header(value: str) -> str:
    if len(value) > _TEXT_MAX_CHARACTERS:
        return TOO_LONG
    found = (_first_of(_words_for_us(part), _OPT_OUTS) for part in _PART.split(value))
    return next(filter(None, found), "")


def _words_for_us(part: str) -> str:
    named = _FOR_ONE_CRAWLER.match(part)
    if named is None:
        return part
    is_for_us = named[1] in (PRODUCT_TOKEN, "*") or _WITH_A_VALUE.fullmatch(named[1])
    return named[2] if is_for_us else ""


def _first_of(words: str, wanted: frozenset[str]) -> str:
    if len(words) > _TEXT_MAX_CHARACTERS:
        return TOO_LONG
    found = re.split(r"[\s,;]+", words.lower())
    return next((word for word in found if word in wanted), "")
