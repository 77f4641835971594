"""Remembers in a cursor what was listed, where a place has no order to go by."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

_DIGEST_BYTES = 6
_DIGEST_CHARACTERS = 8
# As text 40 KB, within the 64 KiB of a cursor.
_KEYS_MAX = 5_000
_TEXT = re.compile(rf"(?:[A-Za-z0-9_-]{{{_DIGEST_CHARACTERS}}})*")


class SeenKeys:
    """Up to 5,000 keys, by 48 bits of their digests; the oldest are forgotten, so that they may come again."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = dict.fromkeys(map(_digest, keys))

    @classmethod
    def read(cls, text: object) -> SeenKeys:
        """Reads what `text` wrote; everything else is empty."""
        seen = cls()
        if isinstance(text, str) and _TEXT.fullmatch(text):
            starts = range(0, len(text), _DIGEST_CHARACTERS)
            seen._digests = dict.fromkeys(text[at : at + _DIGEST_CHARACTERS] for at in starts)
        return seen

    @property
    def text(self) -> str:
        """At most 40,000 characters, the oldest first."""
        return "".join(list(self._digests)[-_KEYS_MAX:])

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, key: str) -> bool:
        return _digest(key) in self._digests

    def add(self, key: str) -> None:
        """Remembers a key as the newest."""
        digest = _digest(key)
        self._digests.pop(digest, None)
        self._digests[digest] = None


def _digest(key: str) -> str:
    raw = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()
    return base64.urlsafe_b64encode(raw).decode()
