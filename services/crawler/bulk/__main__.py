"""Has the crawlers mine one part of a table's shards and waits for the end: `python -m services.crawler.bulk`.

It is one pod of an Indexed Job. The crawlers see the same folder under the same path. Whoever starts again with the
same job and index waits for the crawl that is there already.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import grpc
import structlog

from lodestone.client import (
    Addresses,
    BadAddress,
    BadTlsFiles,
    BadToken,
    CrawlerClient,
    Transport,
)
from lodestone.crawler.v1 import crawl_pb2 as pb
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource
from lodestone.crawler.v1.crawler_service_pb2 import CreateCrawlRequest
from services.crawler.bulk.shards import shards_of
from services.servicekit.errors import LodestoneError
from services.servicekit.logs import configure_logs
from services.servicekit.server import EXIT_BROKEN
from services.servicekit.settings import EXIT_MISCONFIGURED

_LOOK_S = 2.0
# Whatever else is said of a request will be said again.
_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 for a crawl that completed, 78 for what would fail again."""
    options = _parse(arguments)
    configure_logs("bulk", as_json=True)
    try:
        shards = shards_of(options.shards, options.index, options.of)
        return asyncio.run(_mine(options, shards))
    except (LodestoneError, BadAddress, BadTlsFiles, BadToken) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_MISCONFIGURED
    except grpc.aio.AioRpcError as error:
        sys.stderr.write(f"error: the crawler says {error.code().name}: {error.details()}\n")
        return EXIT_BROKEN if error.code() in _PASSING else EXIT_MISCONFIGURED


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.crawler.bulk", description=__doc__)
    parser.add_argument("--shards", type=Path, required=True, help="a folder of Parquet files")
    parser.add_argument("--profile", required=True, help="the profile that decides")
    parser.add_argument("--of", type=int, required=True, help="how many parts there are")
    parser.add_argument("--job", required=True, help="a name of the job that no other has")
    parser.add_argument(
        "--index",
        type=int,
        default=os.environ.get("JOB_COMPLETION_INDEX", "0"),
        help="the number of this part; unset: JOB_COMPLETION_INDEX",
    )
    return parser.parse_args(arguments)


async def _mine(options: argparse.Namespace, shards: list[Path]) -> int:
    log = structlog.get_logger()
    if not shards:
        log.info("no_shards", index=options.index, of=options.of)
        return 0
    request = CreateCrawlRequest(
        request_id=f"{options.job}-{options.index}",
        crawl_sources=[CrawlSource(uri=f"urls:{shard}") for shard in shards],
        profile=options.profile,
    )
    address = Addresses.from_environment(os.environ).crawler
    transport = Transport.from_environment(os.environ)
    async with CrawlerClient(address, transport=transport) as crawler:
        crawl = await crawler.create_crawl(request)
        log.info("crawl", crawl_id=crawl.crawl_id, shards=[str(shard) for shard in shards])
        return await _end(crawler, crawl)


async def _end(crawler: CrawlerClient, crawl: pb.Crawl) -> int:
    """Waits, also while somebody has paused the crawl or the crawlers are away."""
    log, settled_count = structlog.get_logger(), -1
    while crawl.state in (pb.CRAWL_STATE_RUNNING, pb.CRAWL_STATE_PAUSED):
        if crawl.progress.settled_count != settled_count:
            settled_count = crawl.progress.settled_count
            log.info("progress", settled_count=settled_count, state_reason=crawl.state_reason)
        await asyncio.sleep(_LOOK_S)
        try:
            crawl = await crawler.get_crawl(crawl.crawl_id)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _PASSING:
                raise
            log.warning("crawler_away", code=error.code().name)
    state = pb.CrawlState.Name(crawl.state)
    log.info("ended", state=state, settled_count=crawl.progress.settled_count)
    if crawl.state == pb.CRAWL_STATE_COMPLETED:
        return 0
    # So it will be for whoever starts again.
    sys.stderr.write(f"error: crawl {crawl.crawl_id} is {state}: {crawl.state_reason}\n")
    return EXIT_MISCONFIGURED


if __name__ == "__main__":
    sys.exit(main())
