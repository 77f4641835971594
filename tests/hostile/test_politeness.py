"""A real crawl of a faithful web, judged by that web's own log."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from contextlib import AsyncExitStack

import psutil
import pytest
import structlog

from services.crawler.blob_store import BlobStore
from services.crawler.catalogue import crawls
from services.crawler.catalogue.crawls import CrawlRequest, CrawlState
from services.crawler.catalogue.database import Database
from services.crawler.crawl_run import CrawlRun, RunLimits, RunParts
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.fetch.address import AddressPolicy, AllowedAddress
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.fetch.web_client import Network
from services.crawler.gates.duplicate import DuplicateGate
from services.crawler.inspector import Inspector
from services.crawler.judgement import ProfileVersion
from services.crawler.pipeline import Pipeline, PipelineParts
from services.crawler.recorder import Recorder
from services.crawler.screen import Screen
from services.crawler.seen_images import SeenImages
from services.crawler.sources.urls import UrlListSource
from tests.crawler.fetch.fake_resolver import FakeResolver
from tests.hostile.faithful_site import FaithfulSite, Fate, SitePlan
from tests.hostile.site_log import Manners, breaches, busiest, read_log

PROFILE = ProfileVersion("politeness", 1)
PACE = PaceLimits(connections=4, requests_per_s=20.0, burst=4, first_pause_s=0.2)
LIMITS = FetchLimits(total_s=10.0, connections=64, pace=PACE)
SHORT = SitePlan(hosts=200, urls=5_000, slow_max_s=1.0, crawl_delay_max_s=0.5, retry_after_max_s=1)
LONG = SitePlan(
    hosts=1_000, urls=100_000, slow_max_s=1.0, crawl_delay_max_s=0.5, retry_after_max_s=1
)


class ModelFreeInspector(Inspector):
    """Decodes, and leaves out the gates that ask model services."""

    def __init__(self, decoder, seen):
        self._seen = seen
        self._bare_decoder = decoder

    async def decode(self, encoded):
        return await self._bare_decoder.decode(encoded)

    def gates(self, profile, *, duplicates):
        return [DuplicateGate(self._seen, profile_name=profile.name)]


class Slowest:
    """A processor of log lines that keeps the longest fetch and drops the lines: 100,000 of them."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self, _logger, _method, event):
        if event["event"] == "fetch":
            self.seconds = max(self.seconds, event["seconds"])
        raise structlog.DropEvent


@pytest.fixture
def slowest():
    slowest = Slowest()
    structlog.configure(processors=[slowest])
    yield slowest
    structlog.reset_defaults()


async def no_answer(question):
    raise AssertionError(question)


async def crawl(site, folder, on_settled):
    """Crawls every URL of a site; returns the state and how many listings ended which way."""
    listed = folder / "list.txt"
    listed.write_text("\n".join(site.plan.listed(site.port)))
    policy = AddressPolicy((AllowedAddress.parse(f"127.0.0.1:{site.port}"),))
    resolver = FakeResolver({name: [["127.0.0.1"]] for name in site.plan.names})
    async with AsyncExitStack() as stack:
        database = Database(folder / "catalog.sqlite")
        stack.callback(database.close)
        seen, store = SeenImages(), BlobStore(folder)
        identity = Identity("0", "https://example.org/bot")
        fetcher = Fetcher(
            policy=policy, identity=identity, limits=LIMITS, network=Network(resolver=resolver)
        )
        await stack.enter_async_context(fetcher)
        decoder = Decoder(shapes={}, worker_limits=WorkerLimits(workers=2))
        await stack.enter_async_context(decoder)
        recorder = Recorder(database, store, seen)
        stack.push_async_callback(recorder.close)
        inspector = ModelFreeInspector(decoder, seen)
        screen = Screen(min_pixels=0)
        parts = PipelineParts(database, store, fetcher, inspector, screen, recorder, seen)
        request = CrawlRequest("r1", (f"urls:{listed}",), PROFILE)
        begun = await database.run(lambda c: crawls.create_crawl(c, "c1", request, now=time.time()))
        limits = RunLimits(workers=64, max_held=1_024)
        run_parts = RunParts(database, "me", limits, no_answer)
        run = CrawlRun(begun, Pipeline(parts, begun, "me"), run_parts)
        state, reason = await run.run([UrlListSource(listed)], on_settled)
        assert (state, reason) == (CrawlState.COMPLETED, "")
        counts = await database.run(lambda c: crawls.list_counts(c, "c1"))
    ends = Counter()
    for count in counts:
        ends[count.reason.value if count.reason else "FETCHED"] += count.count
    return ends


def expected(plan):
    """How the listings of a plan end for a polite crawler."""
    ends = Counter()
    for number in range(plan.urls):
        robots = plan.robots(plan.host(number))
        if robots.status == 503:
            ends["NO_ROBOTS"] += 1
        elif any(plan.path(number).startswith(prefix) for prefix in robots.disallow):
            ends["ROBOTS_DISALLOWED"] += 1
        elif plan.fate(number) is Fate.FAILING:
            ends["FAILING"] += 1
        else:
            ends["FETCHED"] += 1
    return ends


def check(site, ends, slowest):
    """The manners, by the site's log, and that every listing ended as it should."""
    site.close()
    asked = read_log(site.log)
    found = breaches(asked, Manners(max_concurrency=PACE.connections))
    assert [breach.message for breach in found[:5]] == []
    assert max(busiest(asked).values()) > 1
    wanted = expected(site.plan)
    assert sum(ends.values()) == site.plan.urls
    assert ends["ROBOTS_DISALLOWED"] == wanted["ROBOTS_DISALLOWED"]
    # A host that fails and fails is down; what it still had is for a later crawl.
    lost = ends["HOST_DOWN"] + ends["RATE_LIMITED"]
    assert ends["FETCHED"] >= wanted["FETCHED"] - lost
    assert ends["FETCHED"] >= 0.97 * wanted["FETCHED"]
    unasked = wanted["NO_ROBOTS"] + wanted["FAILING"]
    assert ends["SERVER_ERROR"] + ends["ROBOTS_UNREACHABLE"] + lost >= unasked
    assert slowest.seconds <= LIMITS.total_s + LIMITS.patience_s + 1.0


async def test_five_thousand_urls_politely(tmp_path, slowest):
    """Many hosts, some slow, some limiting, some failing: no rule of theirs is broken, and nothing is lost."""
    with FaithfulSite(SHORT, tmp_path / "site.jsonl") as site:
        ends = await crawl(site, tmp_path, lambda: None)
        await asyncio.to_thread(check, site, ends, slowest)


@pytest.mark.long
async def test_a_hundred_thousand_urls_politely(tmp_path, slowest):
    """The same for 100,000, and the memory at the end is that at 10,000, give or take a fifth."""
    process, rss = psutil.Process(os.getpid()), {}
    settled = 0

    def sample():
        nonlocal settled
        settled += 1
        if settled in (10_000, 95_000):
            rss[settled] = process.memory_info().rss

    with FaithfulSite(LONG, tmp_path / "site.jsonl") as site:
        ends = await crawl(site, tmp_path, sample)
        await asyncio.to_thread(check, site, ends, slowest)
    assert rss[95_000] == pytest.approx(rss[10_000], rel=0.2)
