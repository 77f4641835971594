"""A secret that tests plant and look for: nothing that is written anywhere may have it."""

from __future__ import annotations

import base64

CANARY = "canary6f1d0c9ab7e2"

# Base64 of what has it inside, at each of the three places where it can begin.
_ENCODED = tuple(
    base64.b64encode(bytes(shift) + CANARY.encode())[4 * bool(shift) : -4] for shift in range(3)
)
_FORMS = (CANARY.encode(), CANARY.encode().hex().encode(), *_ENCODED)


def has_canary(content: bytes | str) -> bool:
    """Whether a text has the canary: as it is, as hex digits, or inside base64."""
    searched = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    return any(form in searched for form in _FORMS)
