"""One whole crawl by real crawler processes on a PostgreSQL catalogue, from its creation to its last listing's end."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from benchmarks.cataloguing.own_server import address_of
from benchmarks.crawling.cheap_models import PROFILE
from benchmarks.crawling.child import child
from benchmarks.serving.service_process import ServiceProcess, service_process
from lodestone.client import CrawlerClient
from lodestone.client.service_client import ServiceUnreachable
from lodestone.crawler.v1 import crawler_service_pb2 as pb

_START_S = 120.0
_LOOK_S = 0.1
# Between a tenth and nine tenths of the listings everybody is at work.
_STEADY = (0.1, 0.9)
_SETTLED = "SELECT last_sequence, state FROM crawls"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is crawled.

    Attributes:
        hosts: How many hosts.
        each: Listings of each.
        latency_s: How long a host takes for an answer, seconds.
        connections: Requests that a crawler has under way at most, over all hosts.
    """

    hosts: int
    each: int
    latency_s: float
    connections: int

    @property
    def count(self) -> int:
        """How many listings."""
        return self.hosts * self.each


async def crawl(plan: Plan, catalogue: URL, crawlers: int) -> dict[str, Any]:
    """Crawls with so many crawlers, which all run before the crawl is made.

    Args:
        plan: What is crawled.
        catalogue: An empty database.
        crawlers: How many processes.

    Returns:
        Listings ended a second, over the whole crawl and while everybody was at work; how the hosts were asked; what
        became of the listings; and the share of the machine's CPU time that was taken, in [0, 1].
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crawl-")))
        models = stack.enter_context(child("benchmarks.crawling.cheap_models"))
        site = stack.enter_context(
            child("benchmarks.crawling.slow_hosts", plan.hosts, plan.count, plan.latency_s)
        )
        urls = folder / "urls.txt"
        urls.write_text(_urls(plan, site.first_line))
        environment = _environment(folder, models.first_line, catalogue)
        processes = [
            await stack.enter_async_context(
                service_process(
                    "crawler", _settings(plan, site.first_line), environment=environment
                )
            )
            for _ in range(crawlers)
        ]
        for one in processes:
            await _wait_until_reachable(one)
        before = _cpu_times()
        times = await _run(plan, processes, urls, catalogue)
        after = _cpu_times()
        return {
            "listings_per_s": plan.count / times[-1][0],
            "listings_per_s_steady": _steady(plan.count, times),
            "took_s": times[-1][0],
            "asked": json.loads(site.end()),
            "ends": _ends(catalogue),
            "cpu_share": (after[0] - before[0]) / (after[1] - before[1]),
        }


def _urls(plan: Plan, port: str) -> str:
    """The hosts by turns."""
    return "\n".join(
        f"http://127.0.1.{host + 1}:{port}/{turn * plan.hosts + host}.jpg"
        for turn in range(plan.each)
        for host in range(plan.hosts)
    )


def _environment(folder: Path, models_port: str, catalogue: URL) -> dict[str, str]:
    models = f"127.0.0.1:{models_port}"
    secret = folder / "catalogue.secret"
    secret.write_text(address_of(catalogue))
    return {
        # All of them have one store.
        "LODESTONE_DATA": str(folder / "data"),
        "LODESTONE_EMBEDDER": models,
        "LODESTONE_NOVELTY": models,
        "LODESTONE_WATERMARK": models,
        "LODESTONE_CRAWLER_CATALOGUE_FILE": str(secret),
    }


def _settings(plan: Plan, port: str) -> dict[str, str]:
    return {
        "allowed_addresses": f'["127.0.1.0/24:{port}"]',
        "connections": str(plan.connections),
        "min_pixels": "1",
    }


async def _wait_until_reachable(crawler: ServiceProcess) -> None:
    deadline_s = time.monotonic() + _START_S
    while True:
        crawler.require_running()
        async with CrawlerClient(crawler.address) as client:
            try:
                await client.require_reachable()
            except ServiceUnreachable:
                if time.monotonic() >= deadline_s:
                    raise
            else:
                return
        await asyncio.sleep(_LOOK_S)


async def _run(
    plan: Plan, crawlers: list[ServiceProcess], urls: Path, catalogue: URL
) -> list[tuple[float, int]]:
    """Returns how many listings had ended when, seconds since the crawl was made; the last one is all of them."""
    async with CrawlerClient(crawlers[0].address) as client:
        request = pb.CreateCrawlRequest(
            request_id="benchmark", sources=[f"urls:{urls}"], profile=PROFILE
        )
        began_s = time.monotonic()
        await client.create_crawl(request)
    times: list[tuple[float, int]] = []
    with psycopg.connect(address_of(catalogue), autocommit=True) as connection:
        while not times or times[-1][1] < plan.count:
            await asyncio.sleep(_LOOK_S)
            for one in crawlers:
                one.require_running()
            row = connection.execute(_SETTLED).fetchone()
            assert row is not None
            settled, state = row
            assert state in {"RUNNING", "COMPLETED"}, f"the crawl is {state}"
            times.append((time.monotonic() - began_s, settled))
    return times


def _steady(count: int, times: list[tuple[float, int]]) -> float:
    low, high = (next(one for one in times if one[1] >= share * count) for share in _STEADY)
    return (high[1] - low[1]) / max(high[0] - low[0], _LOOK_S)


def _ends(catalogue: URL) -> dict[str, int]:
    query = "SELECT outcome_state || ' ' || outcome_reason || verdict, count FROM crawl_counts"
    with psycopg.connect(address_of(catalogue)) as connection:
        ends = {str(end): int(count) for end, count in connection.execute(query)}
    assert all(end.startswith("FETCHED ") for end in ends), f"not all was fetched: {ends}"
    return ends


def _cpu_times() -> tuple[float, float]:
    """The machine's time that was not idle, and all of it, in ticks."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)
