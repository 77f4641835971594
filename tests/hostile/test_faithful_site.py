from __future__ import annotations

import asyncio
import hashlib
import io
import time
from collections import Counter
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from PIL import Image as PillowImage

from tests.crawler.fetch.fake_resolver import FakeResolver
from tests.hostile.faithful_site import PRIVATE, FaithfulSite, Fate, SitePlan
from tests.hostile.site_log import ROBOTS, Manners, Rule, breaches, busiest, read_log

BIG = SitePlan()
SMALL = SitePlan(hosts=40, urls=400, slow_max_s=0.2, crawl_delay_max_s=0.2, retry_after_max_s=1)


@pytest.fixture
def site(tmp_path):
    with FaithfulSite(SMALL, tmp_path / "log.jsonl") as site:
        yield site


@pytest.fixture
async def client(site):
    resolver = FakeResolver({name: [["127.0.0.1"]] for name in site.plan.names})
    connector = aiohttp.TCPConnector(resolver=resolver, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


def url(site, number):
    return f"http://{site.plan.host(number)}:{site.port}{site.plan.path(number)}"


def numbers(fate):
    return [number for number in range(SMALL.urls) if SMALL.fate(number) is fate]


async def get(client, address):
    async with client.get(address) as response:
        return response.status, dict(response.headers), await response.read()


def test_the_shares_of_the_big_plan():
    """Of 100,000 URLs on 1,000 hosts a tenth is slow, a tenth limited, a twentieth fails."""
    fates = Counter(BIG.fate(number) for number in range(0, BIG.urls, 5))
    shares = {fate: count / 20_000 for fate, count in fates.items()}
    assert shares[Fate.SLOW] == pytest.approx(0.10, abs=0.01)
    assert shares[Fate.LIMITED] == pytest.approx(0.10, abs=0.01)
    assert shares[Fate.FAILING] == pytest.approx(0.05, abs=0.01)
    assert len(set(BIG.names)) == BIG.hosts


def test_the_kinds_of_robots_txt_in_the_big_plan():
    """There are hosts with none, with rules, with a delay, and one whose robots.txt fails."""
    robots = [BIG.robots(name) for name in BIG.names]
    assert sum(one.status == 503 for one in robots) == 1
    assert sum(one.status == 404 for one in robots) == pytest.approx(500, abs=60)
    assert sum(one.disallow == (PRIVATE,) for one in robots) == pytest.approx(200, abs=40)
    delays = [one.crawl_delay_s for one in robots if one.crawl_delay_s is not None]
    assert len(delays) == pytest.approx(100, abs=30)
    assert all(0.5 <= delay <= 1.0 for delay in delays)


def test_listed_urls_are_distinct_and_some_are_disallowed():
    """URLs under a disallowed prefix are listed, as links to them are."""
    listed = list(SMALL.listed(8_000))
    assert len(set(listed)) == SMALL.urls
    assert any(PRIVATE in address for address in listed)
    hidden = [n for n in range(SMALL.urls) if SMALL.path(n).startswith(PRIVATE)]
    assert not any(SMALL.fetchable(number) for number in hidden)
    assert any(SMALL.fetchable(number) for number in range(SMALL.urls))


def test_slow_urls_take_up_to_their_bound():
    """Latencies spread, and none is over the bound."""
    slow = [number for number in range(20_000) if BIG.fate(number) is Fate.SLOW]
    latencies = [BIG.latency_s(number) for number in slow]
    assert 0 < min(latencies) < 0.05
    assert 1.5 < max(latencies) <= BIG.slow_max_s


async def test_images_are_valid_and_distinct(site, client):
    """Every URL has an image of bytes of its own, the same each time."""
    chosen = numbers(Fate.FAST)[:40]
    answers = [await get(client, url(site, number)) for number in chosen]
    assert {status for status, _, _ in answers} == {200}
    assert len({hashlib.sha256(body).digest() for _, _, body in answers}) == len(chosen)
    for _, _, body in answers:
        assert PillowImage.open(io.BytesIO(body)).convert("RGB").size == (160, 120)
    assert await get(client, url(site, chosen[0])) == answers[0]


async def test_a_limited_url_answers_429_once(site, client):
    """Retry-After comes in seconds, as a date, or not at all; the second request gets the image."""
    seen = set()
    for number in numbers(Fate.LIMITED):
        status, headers, _ = await get(client, url(site, number))
        assert status == 429
        form, seconds = site.plan.retry_after(number)
        seen.add(form)
        if form == "seconds":
            assert headers["Retry-After"] == str(seconds)
        elif form == "date":
            when = parsedate_to_datetime(headers["Retry-After"]).timestamp()
            assert -0.5 < when - time.time() <= seconds + 1
        else:
            assert "Retry-After" not in headers
        assert (await get(client, url(site, number)))[0] == 200
    assert seen == {"seconds", "date", ""}


async def test_failing_slow_and_unknown_urls(site, client):
    """A failing URL fails each time, a slow one takes its time, a name or path of none is 404."""
    number = numbers(Fate.FAILING)[0]
    for _ in range(2):
        assert (await get(client, url(site, number)))[0] == site.plan.failure(number)
    slowest = max(numbers(Fate.SLOW), key=site.plan.latency_s)
    started_s = time.monotonic()
    assert (await get(client, url(site, slowest)))[0] == 200
    assert time.monotonic() - started_s >= site.plan.latency_s(slowest) > 0.1
    other = f"http://{site.plan.host(1)}:{site.port}{site.plan.path(0)}"
    assert (await get(client, other))[0] == 404


async def test_robots_txt_is_logged_with_what_it_says(site, client):
    """The log alone is enough to judge by: prefixes, delays and failures stand in it."""
    for name in site.plan.names:
        status, _, body = await get(client, f"http://{name}:{site.port}{ROBOTS}")
        robots = site.plan.robots(name)
        assert status == robots.status
        assert body.decode() == robots.text
        assert ("Disallow: /private/" in robots.text) == (robots.disallow == (PRIVATE,))
    site.close()
    for request in read_log(site.log):
        robots = site.plan.robots(request.host)
        logged = (request.status, request.disallow, request.crawl_delay_s)
        assert logged == (robots.status, robots.disallow, robots.crawl_delay_s)


async def test_a_rude_client_is_caught(site, client):
    """One that asks for everything at once, robots.txt last, breaks every rule that it can."""
    async with asyncio.TaskGroup() as group:
        for address in site.plan.listed(site.port):
            group.create_task(get(client, address))
    for name in site.plan.names:
        await get(client, f"http://{name}:{site.port}{ROBOTS}")
    for address in site.plan.listed(site.port):
        await get(client, address)
    site.close()
    requests = read_log(site.log)
    assert len(requests) == 2 * site.plan.urls + site.plan.hosts
    rude = Counter(one.rule for one in breaches(requests, Manners(1, min_gap_s=0.1, slack_s=0.01)))
    assert set(rude) == set(Rule)
    assert max(busiest(requests).values()) > 1


async def test_a_polite_client_is_not(site, client):
    """One host after the other, a request at a time, as robots.txt and the answers ask."""
    for host in range(8):
        name = site.plan.host(host)
        await get(client, f"http://{name}:{site.port}{ROBOTS}")
        robots = site.plan.robots(name)
        for number in range(host, 160, site.plan.hosts):
            if any(site.plan.path(number).startswith(prefix) for prefix in robots.disallow):
                continue
            await asyncio.sleep(max(0.02, robots.crawl_delay_s or 0.0))
            _, headers, _ = await get(client, url(site, number))
            if "Retry-After" in headers:
                await asyncio.sleep(2.0)
    site.close()
    requests = read_log(site.log)
    assert len(requests) > 20
    assert breaches(requests, Manners(1, min_gap_s=0.02, slack_s=0.005)) == []


async def test_a_client_that_goes_is_logged(site, client):
    """A request that is given up stands in the log with status 0."""
    slowest = max(numbers(Fate.SLOW), key=site.plan.latency_s)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await get(client, url(site, slowest))
    await get(client, url(site, numbers(Fate.FAST)[0]))
    site.close()
    gone = [request for request in read_log(site.log) if request.status == 0]
    assert [request.path for request in gone] == [site.plan.path(slowest)]
