"""Which posts of a dump are listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from services.crawler.resolvers.reading import second_of, word

# A letter, digit, `_` or `-` written as an escape: JSON may, although no dump does.
_ESCAPED_NAME = re.compile(rb"\\u00(?:2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")


@dataclass(frozen=True)
class DumpFilter:
    """What is listed of a dump.

    Attributes:
        subreddits: In lower case; none lets all pass.
        after: The first second; None for the first of the dump.
        before: The second behind the last; None for no end.
    """

    subreddits: frozenset[str] = frozenset()
    after: int | None = None
    before: int | None = None

    @cached_property
    def _quoted(self) -> tuple[bytes, ...]:
        return tuple(f'"{name}"'.encode() for name in sorted(self.subreddits))

    def may_pass(self, line: bytes) -> bool:
        """False only if the line, if it is a post at all, is of no subreddit that is wanted. Costs no parsing.

        A post's subreddit is a string of JSON, so its name stands in quotes somewhere, unless it is written with
        escapes: a line that has such is not told from its bytes.
        """
        if not self._quoted:
            return True
        lowered = line.lower()
        if any(name in lowered for name in self._quoted):
            return True
        return b"\\u00" in lowered and _ESCAPED_NAME.search(line) is not None

    def passes(self, entry: Mapping[str, Any]) -> bool:
        """Whether a post is wanted; one without a time is not where a time is asked for."""
        if self.subreddits and word(entry.get("subreddit")).lower() not in self.subreddits:
            return False
        if self.after is None and self.before is None:
            return True
        second = second_of(entry.get("created_utc"))
        if second is None:
            return False
        return (self.after or 0) <= second and (self.before is None or second < self.before)
