"""Licences as sources state them, brought to one form."""

from __future__ import annotations

import re

_ADDRESS = re.compile(
    r"creativecommons\.org/(?:licenses|publicdomain)/(?P<code>[a-z-]+)/(?P<version>\d\.\d)?"
)
_CC0 = re.compile(r"\bcc[ -]?(?:0|zero)\b|\bcreative commons zero\b|\bpublic domain dedication\b")
_PUBLIC_DOMAIN = re.compile(r"\bpublic[ -]?domain\b|^pd\b|^pdm\b|publicdomain/mark")
_NO_KNOWN_RIGHTS = re.compile(r"\bno (?:known )?(?:copyright )?restrictions\b")
# What is spelt out, as its code; the longer one first where one begins with the other.
_WORDS = (
    (re.compile(r"non[ -]?commercial"), "nc"),
    (re.compile(r"no[ -]?deriv(?:ative)?s?(?: works)?"), "nd"),
    (re.compile(r"share[ -]?alike"), "sa"),
    (re.compile(r"creative commons"), "cc"),
    # Alone it may be anybody's terms; with this behind it, it is one of a series.
    (
        re.compile(r"\battribution(?=[ -]+(?:nc|nd|sa|license|licence)\b)|(?<=cc[ -])attribution"),
        "by",
    ),
)
_PARTS = re.compile(r"\b(?:cc[ -]?)?(?P<parts>(?:by|sa)(?:[ -]+(?:nc|nd|sa|by))*)\b(?P<rest>.*)")
# An allow-list must not be passed by what says the opposite.
_DENIES = re.compile(r"\bnot\b|\bnon-free\b|\ball rights reserved\b")
_VERSION_IN = re.compile(r"(?<![\d.])\d\.\d(?![\d.])")
_VERSION = re.compile(r"-\d\.\d$")
_MAX_CHARACTERS = 1_000
_ORDER = ("by", "nc", "nd", "sa")


def licence_id(text: str) -> str:
    """`CC BY-SA 4.0` as `cc-by-sa-4.0`, `CC0` as `cc0-1.0`, `Public domain` as `pd`; others in lower case with hyphens.

    The ids are those of SPDX (https://spdx.org/licenses/), in lower case, where SPDX has one. Names spelt out and
    addresses of creativecommons.org are read too. The country of a ported licence is left out: `CC BY-SA 3.0 de` is
    `cc-by-sa-3.0`; of several versions the first counts. What has no known restrictions is
    `no-known-copyright-restrictions`: that is less than `pd`.
    """
    words = " ".join(text[:_MAX_CHARACTERS].lower().replace("_", " ").split())
    if not words:
        return ""
    known = "" if _DENIES.search(words) else _of_address(words) or _of_name(words)
    return known or re.sub(r"[^a-z0-9.]+", "-", words).strip("-")


def is_allowed(licence: str, allowed: tuple[str, ...]) -> bool:
    """Whether a licence is one of those allowed; `cc-by` allows every version of it, but not `cc-by-sa`.

    Nothing allowed means that every licence is, and none as well.
    """
    if not allowed:
        return True
    found = licence_id(licence)
    return bool(found) and any(
        entry in (found, _VERSION.sub("", found)) for entry in map(licence_id, allowed)
    )


def _of_address(words: str) -> str:
    found = _ADDRESS.search(words)
    if found is None:
        return ""
    if found["code"] in ("zero", "mark"):
        return "cc0-1.0" if found["code"] == "zero" else "pd"
    return _creative_commons(found["code"], found["version"] or "")


def _of_name(words: str) -> str:
    if _CC0.search(words):
        return "cc0-1.0"
    if _PUBLIC_DOMAIN.search(words):
        return "pd"
    if _NO_KNOWN_RIGHTS.search(words):
        return "no-known-copyright-restrictions"
    coded = words
    for pattern, code in _WORDS:
        coded = pattern.sub(code, coded)
    found = _PARTS.search(coded)
    if found and _is_whole(found):
        version = _VERSION_IN.search(found["rest"])
        return _creative_commons(found["parts"], version[0] if version else "")
    return ""


def _is_whole(found: re.Match[str]) -> bool:
    """Whether it is a licence of the series, and not a sentence with a `by` in it."""
    return found[0].startswith("cc") or (found.start() == 0 and " " not in found["parts"])


def _creative_commons(parts: str, version: str) -> str:
    named = set(re.split(r"[ -]+", parts))
    ordered = [part for part in _ORDER if part in named]
    return "-".join(("cc", *ordered, *([version] if version else [])))
