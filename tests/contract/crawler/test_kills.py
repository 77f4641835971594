"""A crawler process that is killed again and again, at another listing each time; the model services are fakes."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lodestone.client import connect
from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.data_folder import DataFolder
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.contract.crawler.mined import BLUE, GREEN, RED, tinted
from tests.crawler.pictures import encode, reencode
from tests.fakes.colour_services import ColourServices
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[3]
KILLS = 8
FINDS, GREYS = 32, 16
START_S = 60.0


@pytest.fixture
def site(tmp_path):
    """Pictures that fit, a near copy of each, and some that do not fit."""
    folder = tmp_path / "site"
    folder.mkdir()
    for number in range(FINDS):
        rgb = tinted(number, (RED, GREEN, BLUE)[number % 3])
        (folder / f"{number:03}.png").write_bytes(encode(rgb, "PNG"))
        (folder / f"{number:03}-near.jpg").write_bytes(encode(reencode(rgb, quality=60)))
    for number in range(GREYS):
        (folder / f"{number:03}-grey.png").write_bytes(
            encode(tinted(900 + number, (1, 1, 1)), "PNG")
        )
    return folder


@asynccontextmanager
async def crawler(folder, models):
    """The process and its stub; killed if it still runs at the end."""
    port = free_port()
    environment = {
        "LODESTONE_DATA": str(folder / "data"),
        **{f"LODESTONE_{word}": models for word in ("EMBEDDER", "NOVELTY", "WATERMARK")},
        **{f"LODESTONE_CRAWLER_{name}": "0" for name in ("MIN_PIXELS", "METRICS_PORT")},
        "LODESTONE_CRAWLER_PORT": str(port),
        "LODESTONE_CRAWLER_WORKERS": "8",
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
    async with asyncio.timeout(START_S):
        async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=made.crawl.crawl_id)):
            if event.HasField("settled_listing") and event.settled_listing.sequence >= until:
                break
            last = event.crawl
    return last


def verify(data, *, grace_s):
    """What is wrong, and how many images there are."""
    folder = DataFolder(data)
    terms = CheckTerms(time.time(), grace_s)
    check = Verification(CatalogueFile(folder.catalogue), folder, terms, threads=2)
    return list(check.check(lambda _: None)), check.counts


async def test_kills_at_any_instant_lose_nothing_and_keep_nothing_twice(site, tmp_path):
    """What each of them leaves is well, and in the end every listing has one outcome, every picture one copy kept."""
    rng = random.Random(8)
    listed = len(list(site.iterdir()))
    with ColourServices() as fakes:
        for kill in range(KILLS):
            async with crawler(tmp_path, fakes.address) as (process, stub):
                await crawl(stub, site, until=listed * (kill + 1) // (KILLS + 2))
                # Any instant within the next listings.
                await asyncio.sleep(rng.uniform(0.0, 0.1))
                process.kill()
                await process.wait()
            assert verify(tmp_path / "data", grace_s=3600.0)[0] == []
        async with crawler(tmp_path, fakes.address) as (process, stub):
            ended = await crawl(stub, site, until=listed + 1)
            assert ended.state == crawl_pb2.CRAWL_STATE_COMPLETED
            process.terminate()
            assert await process.wait() == 0
    problems, counts = verify(tmp_path / "data", grace_s=0.0)
    # Bytes of a near copy that was about to be accepted, when another one was first after the kill.
    assert {problem.kind for problem in problems} <= {"ORPHAN"}
    assert (counts.listing_count, counts.image_count) == (listed, FINDS)
