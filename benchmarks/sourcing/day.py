"""Puts the posts of a day through gates and resolvers into a catalogue, on one core.

`python -m benchmarks.sourcing.day DUMP DATA`: a dump, and an empty folder. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.sourcing.answers import LocalAnswers
from benchmarks.sourcing.one_core import memory_mb, take_one_core, timing
from services.crawler.catalogue import crawl_sources, crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.crawl.lister import Lister, ListerParts, Room
from services.crawler.judgement import ProfileVersion
from services.crawler.sources.dump_filter import DumpFilter
from services.crawler.sources.pushshift_dump import PushshiftDumpSource
from services.servicekit.logs import configure_logs

_CRAWL = "c1"


async def measure(dump: Path, data: Path) -> dict[str, Any]:
    """Lists the dump into an empty catalogue, with the rules that are the default."""
    database, answers = Database(data / "catalog.sqlite"), LocalAnswers()
    try:
        async with timing() as took:
            problem = await _list(database, PushshiftDumpSource(dump, DumpFilter()), answers)
        source = (await database.run(lambda c: crawl_sources.list_sources(c, _CRAWL)))[0]
        found = (await database.run(lambda c: crawls.get_crawl(c, _CRAWL))).found_count
        in_catalogue = await database.run(lambda c: frontier.count_unsettled(c, _CRAWL))
    finally:
        database.close()
    counts = {reason or "LISTED": count for reason, count in source.post_counts.items()}
    return {
        "problem": problem,
        "state": source.state,
        "posts_by_reason": counts,
        "posts": sum(counts.values()),
        "skipped": source.skipped_count,
        "listed": source.listed_count,
        "found": found,
        "in_catalogue": in_catalogue,
        "asked": answers.counts,
        "cpu_s": round(took.cpu_s, 1),
        "wall_s": round(took.wall_s, 1),
        "memory_mb": round(memory_mb()),
        "loop_lag_ms": {"median": took.lag_ms(0.5), "99_percent": took.lag_ms(0.99)},
    }


async def _list(database: Database, source: PushshiftDumpSource, answers: LocalAnswers) -> str:
    request = CrawlRequest("benchmark", (source.uri,), ProfileVersion("benchmark", 1))
    crawl = await database.run(lambda c: crawls.create_crawl(c, _CRAWL, request, now=time.time()))
    parts = ListerParts(database, _CRAWL, "benchmark", 60.0, answers.ask, _room)
    return await Lister(source, crawl.sources[0], parts).run()


async def _room(_position: int) -> Room:
    """The frontier of this crawl is not fetched, so nothing waits for room in it."""
    return Room()


if __name__ == "__main__":
    configure_logs("benchmark", as_json=True)
    take_one_core()
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1]), Path(sys.argv[2])))))
