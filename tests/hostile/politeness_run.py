"""A real crawl of a faithful web, judged by that web's own log.

`python -m tests.hostile.politeness_run --urls 100000 --hosts 1000` prints the goals beside the measured values as JSON,
and ends with 1 if one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import structlog

from services.crawler.catalogue import crawls
from services.crawler.catalogue.crawls import CrawlRequest, CrawlState
from services.crawler.catalogue.database import Database
from services.crawler.crawl.crawl_run import CrawlRun, RunLimits, RunParts, RunTerms
from services.crawler.crawl.pipeline import Pipeline, PipelineParts
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.fetch.address import AddressPolicy, AllowedAddress
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.fetch.web_client import Network
from services.crawler.gates.duplicate import DuplicateGate
from services.crawler.judgement import ProfileVersion
from services.crawler.judging.inspector import Inspector
from services.crawler.screen import Screen
from services.crawler.seen.better_copy import as_found
from services.crawler.seen.seen_images import SeenImages
from services.crawler.sources.urls import UrlListSource
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
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
        return [DuplicateGate(self._seen, as_found, profile_name=profile.name)]


class Slowest:
    """A processor of log lines that keeps the longest fetch and drops the lines: 100,000 of them."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self, _logger, _method, event):
        if event["event"] == "fetch":
            self.seconds = max(self.seconds, event["seconds"])
        raise structlog.DropEvent


@contextmanager
def watched_fetches():
    """Watches the log of fetches."""
    slowest = Slowest()
    structlog.configure(processors=[slowest])
    try:
        yield slowest
    finally:
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
        seen, store = SeenImages(), FolderStore(folder)
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
        run_parts = RunParts(database, "me", RunTerms(limits, no_answer))
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


@dataclass(frozen=True)
class Findings:
    """What a run showed."""

    plan: SitePlan
    ends: Counter
    breaches: list
    busiest_connections: int
    slowest_s: float
    rss: dict

    @property
    def lost(self):
        """A host that fails and fails is down; what it still had is for a later crawl."""
        return self.ends["HOST_DOWN"] + self.ends["RATE_LIMITED"]

    @property
    def rss_change(self):
        """Memory at the end ÷ memory after a tenth, minus 1; None of a run too short to tell."""
        early, late = self.rss.get("early"), self.rss.get("late")
        return late / early - 1.0 if early and late else None

    def goals(self):
        """Each goal with what was measured, and whether it is met."""
        deadline_s = LIMITS.total_s + LIMITS.patience_s + 1.0
        wanted = expected(self.plan)
        rows = {
            "listings without an outcome": (0, self.plan.urls - self.ends.total()),
            "breaches of a host's concurrency, gap, Retry-After or robots.txt": (
                0,
                len(self.breaches),
            ),
            "requests at a time to one host, most": (PACE.connections, self.busiest_connections),
            "seconds of the slowest fetch, waiting for turns included": (
                deadline_s,
                self.slowest_s,
            ),
        }
        found = {
            name: {"goal": f"<= {goal}", "measured": round(value, 3), "met": value <= goal}
            for name, (goal, value) in rows.items()
        }
        share = self.ends["FETCHED"] / wanted["FETCHED"]
        found["fetched of what a polite crawler may have"] = {
            "goal": ">= 0.97",
            "measured": round(share, 4),
            "met": share >= 0.97,
        }
        if self.rss_change is not None:
            found["memory at the end against that after a tenth"] = {
                "goal": "+-20 %",
                "measured": f"{self.rss_change:+.1%}",
                "met": abs(self.rss_change) <= 0.2,
            }
        return found


async def measure(plan, folder):
    """Crawls a site of a plan."""
    process, rss, settled = psutil.Process(os.getpid()), {}, 0

    def sample():
        nonlocal settled
        settled += 1
        if settled == plan.urls // 10:
            rss["early"] = process.memory_info().rss
        elif settled == plan.urls * 95 // 100:
            rss["late"] = process.memory_info().rss

    with watched_fetches() as slowest, FaithfulSite(plan, folder / "site.jsonl") as site:
        ends = await crawl(site, folder, sample)
        site.close()
        asked = await asyncio.to_thread(read_log, site.log)
    found = breaches(asked, Manners(max_concurrency=PACE.connections))
    most = max(busiest(asked).values())
    return Findings(plan, ends, found, most, slowest.seconds, rss if plan.urls >= 50_000 else {})


def main():
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=int, default=5_000)
    parser.add_argument("--hosts", type=int, default=200)
    options = parser.parse_args()
    plan = replace(SHORT, urls=options.urls, hosts=options.hosts)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        findings = asyncio.run(measure(plan, Path(folder)))
    goals = findings.goals()
    report = {
        "urls": plan.urls,
        "hosts": plan.hosts,
        "seconds": round(time.monotonic() - began, 1),
        "goals": goals,
        "outcomes": dict(findings.ends.most_common()),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if all(goal["met"] for goal in goals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
