"""Which of the listings that this crawler's crawls hold go first."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

# A priority, and the crawl that has something of it.
_Holder: TypeAlias = tuple[int, str]


class Precedence:
    """What waits and what is under way, by priority and crawl, over all crawls of this crawler.

    A listing goes first unless one of a higher priority waits for the same host, or as many of higher priorities are
    under way as a crawl has workers: crawls of one priority do not wait for each other. Belongs to one event loop.
    """

    def __init__(self, workers: int) -> None:
        """Takes the number of workers that one crawl has."""
        self._workers = workers
        self._waiting: dict[str, Counter[_Holder]] = {}
        self._under_way: Counter[_Holder] = Counter()

    def goes_first(self, host: str, priority: int) -> bool:
        """Whether a listing of this priority may be taken in hand; the host is empty if none is asked."""
        return self.ahead_of(host, priority) is None

    def ahead_of(self, host: str, priority: int) -> str | None:
        """The crawl for which a listing of this priority has to wait; None if it need not. Of several, the highest."""
        higher = sum(count for (one, _), count in self._under_way.items() if one > priority)
        if higher >= self._workers:
            return max(self._under_way)[1]
        if not host or host not in self._waiting:
            return None
        highest, crawl_id = max(self._waiting[host])
        return crawl_id if highest > priority else None

    def wait(self, host: str, priority: int, crawl_id: str) -> None:
        """A crawl's listing waits for its host."""
        self._waiting.setdefault(host, Counter())[priority, crawl_id] += 1

    def end_wait(self, host: str, priority: int, crawl_id: str) -> None:
        """It does not wait any more."""
        waiting = self._waiting[host]
        _take_one(waiting, (priority, crawl_id))
        if not waiting:
            del self._waiting[host]

    def begin(self, priority: int, crawl_id: str) -> None:
        """A crawl's listing is under way."""
        self._under_way[priority, crawl_id] += 1

    def end(self, priority: int, crawl_id: str) -> None:
        """It is settled or given back."""
        _take_one(self._under_way, (priority, crawl_id))


def _take_one(counts: Counter[_Holder], holder: _Holder) -> None:
    counts[holder] -= 1
    if not counts[holder]:
        del counts[holder]
