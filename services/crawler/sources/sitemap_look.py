"""Where a look at a site's map stands, and what the next one needs to know."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from services.crawler.resolvers.reading import members
from services.crawler.sources.seen_keys import SeenKeys
from services.crawler.sources.sitemap_document import MapEntry

# Many maps state days without a time, in whatever time zone.
_OVERLAP_S = 86_400.0


@dataclass
class SitemapLook:
    """One look, over as many restarts as it takes.

    Attributes:
        since: The newest change that an earlier look saw, seconds since 1970; 0 for none.
        newest: The same of this look.
        seen: Pages that were listed, where their dates do not tell.
        done: Maps that this look has listed; empty between two looks.
    """

    since: float = 0.0
    newest: float = 0.0
    seen: SeenKeys = field(default_factory=SeenKeys)
    done: SeenKeys = field(default_factory=SeenKeys)

    @classmethod
    def read(cls, cursor: str) -> SitemapLook:
        """Reads a cursor; another one than `text` wrote is empty."""
        try:
            facts = members(json.loads(cursor)) if cursor else {}
        except (ValueError, RecursionError):
            facts = {}
        return cls(
            _moment(facts.get("since")),
            _moment(facts.get("newest")),
            SeenKeys.read(facts.get("seen")),
            SeenKeys.read(facts.get("done")),
        )

    @property
    def text(self) -> str:
        """As a cursor, at most 50,000 characters."""
        facts = {"since": self.since, "newest": self.newest}
        return json.dumps(facts | {"seen": self.seen.text, "done": self.done.text})

    def end(self) -> None:
        """All maps are listed: the next look lists what changes from here on."""
        self.since = min(max(self.since, self.newest), time.time())
        self.newest, self.done = 0.0, SeenKeys()

    def is_due(self, entry: MapEntry) -> bool:
        """Whether a page, or the pages of a map, may have changed since the last look."""
        changed = entry.change_time
        return changed is None or changed >= self.since - _OVERLAP_S

    def take(self, entries: list[MapEntry]) -> list[MapEntry]:
        """The pages of a map that are to be listed, newest first; those without a date behind them."""
        due = [entry for entry in entries if self.is_due(entry) and _key(entry) not in self.seen]
        due.sort(key=lambda entry: -(entry.change_time or 0.0))
        if due:
            self.newest = max(self.newest, min(due[0].change_time or 0.0, time.time()))
        # The newest are remembered longest.
        for entry in reversed(due):
            changed = entry.change_time
            if changed is None or changed >= max(self.newest, self.since) - _OVERLAP_S:
                self.seen.add(_key(entry))
        return due


def _key(entry: MapEntry) -> str:
    return f"{entry.address} {entry.change_text}"


def _moment(value: object) -> float:
    is_number = isinstance(value, float) and 0.0 < value <= time.time()
    return value if is_number and isinstance(value, float) else 0.0
