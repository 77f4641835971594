"""Which of the listings that this crawler's crawls hold go first."""

from __future__ import annotations

from collections import Counter


class Precedence:
    """What waits and what is under way, by priority, over all crawls of this crawler.

    A listing goes first unless one of a higher priority waits for the same host, or as many of higher priorities are
    under way as a crawl has workers: crawls of one priority do not wait for each other. Belongs to one event loop.
    """

    def __init__(self, workers: int) -> None:
        """Takes the number of workers that one crawl has."""
        self._workers = workers
        self._waiting: dict[str, Counter[int]] = {}
        self._under_way: Counter[int] = Counter()

    def goes_first(self, host: str, priority: int) -> bool:
        """Whether a listing of this priority may be taken in hand; the host is empty if none is asked."""
        higher = (count for one, count in self._under_way.items() if one > priority)
        if sum(higher) >= self._workers:
            return False
        return not host or max(self._waiting.get(host, (priority,))) <= priority

    def wait(self, host: str, priority: int) -> None:
        """A listing waits for its host."""
        self._waiting.setdefault(host, Counter())[priority] += 1

    def end_wait(self, host: str, priority: int) -> None:
        """It does not wait any more."""
        waiting = self._waiting[host]
        _take_one(waiting, priority)
        if not waiting:
            del self._waiting[host]

    def begin(self, priority: int) -> None:
        """A listing is under way."""
        self._under_way[priority] += 1

    def end(self, priority: int) -> None:
        """It is settled or given back."""
        _take_one(self._under_way, priority)


def _take_one(counts: Counter[int], priority: int) -> None:
    counts[priority] -= 1
    if not counts[priority]:
        del counts[priority]
