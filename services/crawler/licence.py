"""Licences as sources state them, brought to one form."""

from __future__ import annotations

import re

_CREATIVE_COMMONS = re.compile(
    r"\b(?:cc|creative commons(?: attribution)?)[ -]?(?P<parts>(?:(?:by|nc|nd|sa)\b[ -]?)*)(?P<version>\d\.\d)?"
)
_WORDS = {
    "attribution": "by",
    "noncommercial": "nc",
    "non-commercial": "nc",
    "noderivs": "nd",
    "noderivatives": "nd",
    "sharealike": "sa",
    "share alike": "sa",
}
_VERSION = re.compile(r"-\d\.\d$")


def licence_id(text: str) -> str:
    """`CC BY-SA 4.0` as `cc-by-sa-4.0`, `CC0` as `cc0`, `Public domain` as `pd`; others in lower case, with hyphens.

    The ids are those of SPDX (https://spdx.org/licenses/), in lower case, where SPDX has one.
    """
    words = " ".join(text.lower().replace("_", " ").split())
    if not words:
        return ""
    if re.search(r"\bcc[ -]?0\b|publicdomain/zero", words):
        return "cc0-1.0" if "1.0" in words else "cc0"
    if re.search(r"\bpublic domain\b|^pd\b|publicdomain/mark", words):
        return "pd"
    for word, part in _WORDS.items():
        words = words.replace(word, part)
    found = _CREATIVE_COMMONS.search(words)
    if found and found["parts"]:
        parts = re.split(r"[ -]+", found["parts"].strip(" -"))
        return "-".join(("cc", *parts, *([found["version"]] if found["version"] else [])))
    return re.sub(r"[^a-z0-9.]+", "-", words).strip("-")


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
