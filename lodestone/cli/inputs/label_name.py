"""Names of images as the contract takes them."""

from __future__ import annotations

from typing import Final

from lodestone.cli.words import printable

_MAX_CHARS: Final = 255


def label_name(name: str) -> str:
    """A name without control characters or broken encodings; of a long one the end, which tells most."""
    text = printable(name)
    return text if len(text) <= _MAX_CHARS else "…" + text[1 - _MAX_CHARS :]
