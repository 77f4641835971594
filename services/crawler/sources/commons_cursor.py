"""Where the listing of a category, a tree of categories or somebody's uploads stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.crawler.resolvers.reading import elements, members, word

# Files come late: jobs that sort them into categories wait, and replicas of the database lag behind.
_OVERLAP = timedelta(hours=1)
_DIGEST_BYTES = 6


def shelf_digest(name: str) -> str:
    """A short name for a shelf: a cursor has room for hundreds."""
    return hashlib.blake2s(name.encode(), digest_size=_DIGEST_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class ShelfCursor:
    """How far listing has come. Shelves are listed in order, each from its newest file to what is known.

    Attributes:
        since: By the wiki's clock, when the last whole listing began; empty if there was none.
        known: The shelves that it listed, as digests.
        began: The same of the listing under way; empty if none is.
        at: The shelf that it is at.
        following: Where on that shelf.
    """

    since: str = ""
    known: frozenset[str] = frozenset()
    began: str = ""
    at: str = ""
    following: Mapping[str, str] = field(default_factory=dict)

    def end(self, shelf: str) -> str:
        """How far back a shelf is to be listed, ISO 8601; empty to its end, for example of a category that is new."""
        if not self.since or shelf_digest(shelf) not in self.known:
            return ""
        try:
            end = datetime.fromisoformat(self.since) - _OVERLAP
        except (OverflowError, ValueError):
            return ""
        return end.strftime("%Y-%m-%dT%H:%M:%SZ")

    def finished(self, began: str, shelves: Iterable[str]) -> ShelfCursor:
        """Behind the last shelf."""
        return ShelfCursor(since=began, known=frozenset(map(shelf_digest, shelves)))

    def write(self) -> str:
        """As JSON."""
        facts = {
            "since": self.since,
            "known": sorted(self.known),
            "began": self.began,
            "at": self.at,
            "following": dict(self.following),
        }
        return json.dumps(facts, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> ShelfCursor:
        """What `write` wrote; anything else is the beginning."""
        try:
            facts: dict[str, Any] = members(json.loads(text)) if text else {}
        except (RecursionError, ValueError):
            facts = {}
        following = members(facts.get("following"))
        return cls(
            since=word(facts.get("since")),
            known=frozenset(map(word, elements(facts.get("known")))),
            began=word(facts.get("began")),
            at=word(facts.get("at")),
            following={name: value for name, value in following.items() if isinstance(value, str)},
        )
