from __future__ import annotations

import asyncio
import time

import pytest

from services.crawler.fetch import robots as robots_module
from services.crawler.fetch.robots import Robots, robots_url_of
from services.crawler.fetch.robots_rules import RobotsRules
from services.crawler.fetch.time_budget import TimeBudget
from services.crawler.fetch.url import WebUrl, parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason

DAY_S = 24 * 3_600


class Host:
    """Answers with rules, or fails, and counts; the clock is the test's."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 1_000_000.0
        self.fails = False
        self.size_bytes = 0
        self.robots = Robots(self.fetch, wall_clock=lambda: self.now)

    async def rules(self, url: WebUrl) -> RobotsRules:
        return await self.robots.rules(url, TimeBudget(5.0))

    async def fetch(self, url: WebUrl, _budget: TimeBudget) -> RobotsRules:
        self.asked.append(url.text)
        began = self.now
        await asyncio.sleep(0)
        if self.fails:
            raise FetchFailed(OutcomeReason.ROBOTS_UNREACHABLE, "no")
        return RobotsRules(404, began, size_bytes=self.size_bytes)


@pytest.mark.parametrize(
    ("url", "robots_url"),
    [
        ("http://h.example/a/b?c#d", "http://h.example/robots.txt"),
        ("https://h.example:8443/", "https://h.example:8443/robots.txt"),
        ("http://[2606:4700::1]/x", "http://[2606:4700::1]/robots.txt"),
    ],
)
def test_where_robots_txt_is(url: str, robots_url: str) -> None:
    """At the root of the origin: scheme, host and port."""
    assert robots_url_of(parse_url(url)).text == robots_url


async def test_fifty_listings_ask_once() -> None:
    """Those who come while it is being fetched wait for it; another origin has its own."""
    host = Host()
    urls = [parse_url(f"http://h.example/{number}") for number in range(50)]
    found = await asyncio.gather(*map(host.rules, urls))
    assert len({id(rules) for rules in found}) == 1
    assert host.asked == ["http://h.example/robots.txt"]
    await host.rules(parse_url("https://h.example/"))
    await host.rules(parse_url("http://h.example:81/"))
    assert len(host.asked) == 3


async def test_it_is_asked_again_after_a_day() -> None:
    """Rules are used for 24 hours and no longer."""
    host = Host()
    url = parse_url("http://h.example/")
    await host.rules(url)
    host.now += DAY_S
    await host.rules(url)
    assert len(host.asked) == 1
    host.now += 1
    await host.rules(url)
    assert len(host.asked) == 2


async def test_a_failure_is_not_remembered() -> None:
    """Who comes after a failure asks again."""
    host = Host()
    url = parse_url("http://h.example/")
    host.fails = True
    for _ in range(2):
        with pytest.raises(FetchFailed):
            await host.rules(url)
    host.fails = False
    assert (await host.rules(url)).status == 404
    assert len(host.asked) == 3


async def test_one_who_gives_up_holds_up_nobody() -> None:
    """If the one who asks is cancelled the next in line asks."""
    host = Host()
    url = parse_url("http://h.example/")
    first, second = (asyncio.create_task(host.rules(url)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await asyncio.wait_for(second, 1)).status == 404
    assert first.cancelled()


async def test_the_least_used_origin_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many origins are remembered; the one that was not asked for the longest time goes."""
    monkeypatch.setattr(robots_module, "_ORIGINS_MAX", 2)
    host = Host()
    a, b, c = (parse_url(f"http://{name}.example/") for name in "abc")
    for url in (a, b, a, c, a):
        await host.rules(url)
    assert len(host.asked) == 3
    await host.rules(b)
    assert len(host.asked) == 4


async def test_long_ones_are_forgotten_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered has a bound in bytes: a stranger's hosts with long rules do not fill the memory."""
    monkeypatch.setattr(robots_module, "_TEXT_MAX_BYTES", 1_000)
    host = Host()
    host.size_bytes = 400
    a, b, c, long = (parse_url(f"http://{name}.example/") for name in ("a", "b", "c", "long"))
    for url in (a, b, a, c, a, c):
        await host.rules(url)
    assert len(host.asked) == 3
    await host.rules(b)
    assert len(host.asked) == 4
    host.size_bytes = 1_001
    for _ in range(2):
        await host.rules(long)
    assert len(host.asked) == 6
    host.size_bytes = 1_000
    for _ in range(2):
        await host.rules(a)
    assert len(host.asked) == 7


async def test_rules_that_are_fetched_again_are_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a day the new rules take the place of the old ones."""
    monkeypatch.setattr(robots_module, "_TEXT_MAX_BYTES", 1_000)
    host = Host()
    host.size_bytes = 400
    a, b = (parse_url(f"http://{name}.example/") for name in "ab")
    for _ in range(5):
        await host.rules(a)
        await host.rules(b)
        host.now += DAY_S + 1
    assert len(host.asked) == 10
    host.now -= 1
    await host.rules(a)
    await host.rules(b)
    assert len(host.asked) == 10


@pytest.mark.parametrize("count", [3, 2_000, 20_000])
async def test_long_rules_hold_up_nobody(count: int) -> None:
    """However many wildcards and whatever the URL: the event loop goes on, and what would take long is refused."""
    body = "User-agent: *\n" + "Disallow: /*a*a*a*a*a*b\n" * count + "Disallow: /x"
    rules = RobotsRules.parse(body.encode(), status=200, fetch_time=1.0)
    url = parse_url("http://h.example/" + "a" * 8_000)
    robots = Host().robots
    checking = asyncio.create_task(robots.check(url, rules))
    longest_s, began = 0.0, time.thread_time()
    while not checking.done():
        await asyncio.sleep(0)
        longest_s, began = max(longest_s, time.thread_time() - began), time.thread_time()
    assert longest_s < 0.05
    if count < 20_000:
        await checking
        with pytest.raises(FetchFailed, match="forbids it"):
            await robots.check(parse_url("http://h.example/x"), rules)
        return
    with pytest.raises(FetchFailed, match="too many to try") as failed:
        await checking
    assert failed.value.reason is OutcomeReason.ROBOTS_DISALLOWED


async def test_a_slow_verdict_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL is tried on the same rules once, on those of another day anew; the oldest verdict is forgotten."""
    monkeypatch.setattr(robots_module, "QUICK_COST_MAX", 0)
    monkeypatch.setattr(robots_module, "_VERDICTS_MAX", 2)
    tried: list[str] = []

    def permits(_rules: RobotsRules, url: WebUrl) -> bool:
        tried.append(url.text[-1])
        return True

    monkeypatch.setattr(RobotsRules, "permits", permits)
    old, new = (RobotsRules(200, day, size_bytes=9) for day in (1.0, 2.0))
    robots = Host().robots
    a, b, c = (parse_url(f"http://h.example/{name}") for name in "abc")
    for url, rules in ((a, old), (a, old), (a, new), (b, new), (b, new), (c, new), (a, new)):
        await robots.check(url, rules)
    assert tried == ["a", "a", "b", "c", "a"]
