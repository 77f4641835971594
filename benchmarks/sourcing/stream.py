"""Streams a dump on one core: `python -m benchmarks.sourcing.stream DUMP BYTES SUBREDDIT`. Prints one line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.sourcing.one_core import memory_mb, take_one_core, timing
from services.crawler.sources.dump_filter import DumpFilter
from services.crawler.sources.pushshift_dump import PushshiftDumpSource
from services.servicekit.logs import configure_logs

# The place of the offset in the cursor.
_OFFSET = 4


async def measure(path: Path, size_bytes: int, subreddit: str) -> dict[str, Any]:
    """All posts; then those of one subreddit; then from the middle on."""
    whole, middle = await _whole(path, size_bytes)
    return {
        "whole": whole,
        "one_subreddit": await _one_subreddit(path, size_bytes, subreddit),
        "resumed": await _resumed(path, *middle),
    }


async def _whole(path: Path, size_bytes: int) -> tuple[dict[str, Any], tuple[str, str]]:
    posts, skipped, early_mb, late_mb = 0, 0, 0.0, 0.0
    cursor, middle = "", ("", "")
    async with timing() as took:
        async for batch in PushshiftDumpSource(path, DumpFilter()).list_posts(""):
            posts += len(batch.posts)
            skipped += batch.skipped_count
            done_bytes = json.loads(batch.cursor)[_OFFSET]
            if not early_mb and done_bytes >= size_bytes / 10:
                early_mb = memory_mb()
            if not middle[0] and batch.posts and done_bytes >= size_bytes / 2:
                middle = (cursor, batch.posts[0].post_id)
            if not late_mb and done_bytes >= 0.99 * size_bytes:
                late_mb = memory_mb()
            cursor = batch.cursor
    report = {
        "posts": posts,
        "skipped": skipped,
        "bytes": json.loads(cursor)[_OFFSET],
        "mb_per_cpu_s": round(size_bytes / 1e6 / took.cpu_s, 1),
        "mb_per_s": round(size_bytes / 1e6 / took.wall_s, 1),
        "memory_mb_at_10_percent": round(early_mb),
        "memory_mb_at_99_percent": round(late_mb),
        "loop_lag_ms": {name: took.lag_ms(share) for name, share in _SHARES.items()},
    }
    return report, middle


_SHARES = {"median": 0.5, "99_percent": 0.99, "max": 1.0}


async def _one_subreddit(path: Path, size_bytes: int, subreddit: str) -> dict[str, Any]:
    source = PushshiftDumpSource(path, DumpFilter(frozenset({subreddit.lower()})))
    async with timing() as took:
        posts = sum([len(batch.posts) async for batch in source.list_posts("")])
    return {"posts": posts, "mb_per_cpu_s": round(size_bytes / 1e6 / took.cpu_s, 1)}


async def _resumed(path: Path, cursor: str, post_id: str) -> dict[str, Any]:
    """From the cursor before the middle to the first post behind it."""
    found = PushshiftDumpSource(path, DumpFilter()).list_posts(cursor)
    async with timing() as took:
        while not (batch := await anext(found)).posts:
            pass
    await found.aclose()
    return {
        "at_byte": json.loads(cursor)[_OFFSET],
        "is_the_next_post": batch.posts[0].post_id == post_id,
        "cpu_s": round(took.cpu_s, 2),
    }


if __name__ == "__main__":
    configure_logs("benchmark", as_json=True)
    take_one_core()
    arguments = sys.argv[1:4]
    print(json.dumps(asyncio.run(measure(Path(arguments[0]), int(arguments[1]), arguments[2]))))
