"""The name of a source and the options behind it: `NAME?depth=2&width=1920`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from services.crawler.sources.source import BadSource

# What would end the name, or stand for something else in it.
_ESCAPED = re.compile(r"[%?#\x00-\x1f\x7f]")


def split_options(
    source: str, text: str, known: Mapping[str, re.Pattern[str]]
) -> tuple[str, dict[str, str]]:
    """Splits what follows a source's word.

    Args:
        source: The whole text, for the errors.
        text: The name, in which `%3F` is a question mark and so on, and perhaps options.
        known: What the whole value of each option must match.

    Returns:
        The name, decoded, and the options in the order of `known`.

    Raises:
        BadSource: An option is unknown, stands twice, or has a bad value.
    """
    name, _, query = text.partition("?")
    given: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, _, value = part.partition("=")
        if key not in known:
            raise BadSource(source, _unknown(key, known))
        if key in given:
            raise BadSource(source, f"it has the option {key} twice")
        given[key] = unquote(value)
        if known[key].fullmatch(given[key]) is None:
            pattern = known[key].pattern.replace("|", ", ")
            raise BadSource(source, f"{given[key][:50]!r} is no {key}: it must be {pattern}")
    return unquote(name).strip(), {key: given[key] for key in known if key in given}


def join_options(name: str, options: Mapping[str, str]) -> str:
    """The canonical form: what `split_options` splits into the same again."""
    query = "&".join(f"{key}={quote(value, safe=',:')}" for key, value in options.items() if value)
    shown = _ESCAPED.sub(lambda match: quote(match[0], safe=""), name)
    return f"{shown}?{query}" if query else shown


def _unknown(key: str, known: Mapping[str, object]) -> str:
    if not known:
        return f"it has no options, so {key[:50]!r} is none"
    return f"{key[:50]!r} is no option of it; there are: {', '.join(known)}"
