"""A crawler as a process of its own, with fake model services, that may be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from lodestone.client import connect
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[3]
START_S = 60.0


@asynccontextmanager
async def crawler(folder, models, settings=None):
    """The process and its stub; killed if it still runs at the end. It writes to `crawler.err` in the folder."""
    port = free_port()
    environment = {
        "LODESTONE_DATA": str(folder / "data"),
        **{f"LODESTONE_{word}": models for word in ("EMBEDDER", "NOVELTY", "WATERMARK")},
        **{f"LODESTONE_CRAWLER_{name}": "0" for name in ("MIN_PIXELS", "METRICS_PORT")},
        "LODESTONE_CRAWLER_PORT": str(port),
        "LODESTONE_CRAWLER_WORKERS": "8",
        **{f"LODESTONE_CRAWLER_{name.upper()}": text for name, text in (settings or {}).items()},
    }
    with (folder / "crawler.err").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.crawler"),
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
        )
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            yield process, CrawlerServiceStub(channel)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def crawl(stub, site, *, until):
    """Lets the crawl, which the first call makes, settle so many listings, or all. Returns how it stands then."""
    request = pb.CreateCrawlRequest(request_id="1", sources=[f"folder:{site}"], profile="colours")
    made = await stub.CreateCrawl(request, wait_for_ready=True, timeout=START_S)
    last = made.crawl
    watching = stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=made.crawl.crawl_id))
    try:
        async with asyncio.timeout(START_S):
            async for event in watching:
                if event.HasField("settled_listing") and event.settled_listing.sequence >= until:
                    break
                last = event.crawl
    finally:
        watching.cancel()
    return last
