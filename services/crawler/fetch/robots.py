"""The robots.txt of each origin: fetched once, remembered for a day at most."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from services.crawler.fetch.robots_rules import QUICK_COST_MAX, RobotsRules
from services.crawler.fetch.time_budget import TimeBudget
from services.crawler.fetch.url import WebUrl
from services.crawler.keyed_lock import KeyedLock
from services.crawler.outcome import FetchFailed, OutcomeReason

FetchRobots: TypeAlias = Callable[[WebUrl, TimeBudget], Awaitable[RobotsRules]]

# RFC 9309, 2.4: not longer.
_MAX_AGE_S = 24 * 3_600
_ORIGINS_MAX = 10_000
# Of all that are remembered together. Parsed rules take up to 44 times as much memory (protego 0.7.0, measured), and
# whoever has a domain has any number of hosts.
_TEXT_MAX_BYTES = 8_000_000
# A listing whose host rests comes back again and again.
_VERDICTS_MAX = 256


class Robots:
    """Knows what each origin allows; at most 10,000 origins and 8 MB are remembered, those that were asked for last."""

    def __init__(self, fetch: FetchRobots, *, wall_clock: Callable[[], float] = time.time) -> None:
        """Takes what fetches a robots.txt, and a clock in seconds since 1970."""
        self._fetch = fetch
        self._wall_clock = wall_clock
        self._known: OrderedDict[str, RobotsRules] = OrderedDict()
        self._size_bytes = 0
        self._fetching = KeyedLock()
        self._slow_verdicts: OrderedDict[tuple[str, float], bool] = OrderedDict()
        # One at a time: a thread that computes takes its share from the event loop.
        self._trying = asyncio.Lock()

    async def rules(self, url: WebUrl, budget: TimeBudget) -> RobotsRules:
        """The rules of a URL's origin. A failure is not remembered: the pace of the host bounds how often it is asked.

        Whoever fetches spends time of the budget; waiting while another does is like waiting for the host's turn.

        Raises:
            FetchFailed: They cannot be had, so that nothing may be asked for (RFC 9309, 2.3.1.4).
        """
        robots_url = robots_url_of(url)
        async with self._fetching.hold(robots_url.text):
            known = self._known.get(robots_url.text)
            if known is None or self._wall_clock() - known.fetch_time > _MAX_AGE_S:
                known = await self._fetch(robots_url, budget)
                self._remember(robots_url.text, known)
            else:
                self._known.move_to_end(robots_url.text)
            return known

    async def check(self, url: WebUrl, rules: RobotsRules) -> None:
        """Passes a URL that the rules of its origin permit. What takes long runs in a thread, and has a bound.

        Raises:
            FetchFailed: ROBOTS_DISALLOWED; they forbid it, or are too long to try on it.
        """
        if rules.is_too_long_for(url):
            message = (
                f"the robots.txt of {url.host} has {rules.wildcard_bytes:,} bytes of rules with wildcards, "
                f"too many to try on an address of {len(url.text):,} characters"
            )
            raise FetchFailed(OutcomeReason.ROBOTS_DISALLOWED, message, final_url=url.text)
        quick = rules.cost(url) <= QUICK_COST_MAX
        if not (rules.permits(url) if quick else await self._permits_slowly(url, rules)):
            message = f"the robots.txt of {url.host} forbids it"
            raise FetchFailed(OutcomeReason.ROBOTS_DISALLOWED, message, final_url=url.text)

    async def _permits_slowly(self, url: WebUrl, rules: RobotsRules) -> bool:
        name = (url.text, rules.fetch_time)
        async with self._trying:
            if name not in self._slow_verdicts:
                self._slow_verdicts[name] = await asyncio.to_thread(rules.permits, url)
            if len(self._slow_verdicts) > _VERDICTS_MAX:
                self._slow_verdicts.popitem(last=False)
            return self._slow_verdicts[name]

    def _remember(self, origin: str, rules: RobotsRules) -> None:
        former = self._known.pop(origin, None)
        self._size_bytes += rules.size_bytes - (former.size_bytes if former else 0)
        self._known[origin] = rules
        while len(self._known) > _ORIGINS_MAX or self._size_bytes > _TEXT_MAX_BYTES:
            _, forgotten = self._known.popitem(last=False)
            self._size_bytes -= forgotten.size_bytes


def robots_url_of(url: WebUrl) -> WebUrl:
    """Where the robots.txt of a URL's origin is."""
    return url.join("/robots.txt")
