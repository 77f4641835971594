"""Text that strangers wrote, made fit for a catalogue and a line."""

from __future__ import annotations

import unicodedata

_MAX_CHARACTERS = 300


def clean_text(text: object) -> str:
    """One line of at most 300 characters, without control characters or lone surrogates; empty if it is no text."""
    if not isinstance(text, str):
        return ""
    # Four times the length: what is cut here can only shrink below.
    start = text[: _MAX_CHARACTERS * 4]
    # As most are: of printable characters all are kept, and the only space is the blank.
    if start.isprintable():
        return " ".join(start.split())[:_MAX_CHARACTERS].rstrip()
    whole = start.encode("utf-8", errors="replace").decode()
    visible = "".join(" " if char.isspace() else char for char in whole if _is_kept(char))
    return " ".join(visible.split())[:_MAX_CHARACTERS].rstrip()


def _is_kept(char: str) -> bool:
    # Cc are control characters, Cf among others those that turn the direction of writing.
    return char.isspace() or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")
