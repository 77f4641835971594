"""A crawler process that is killed again and again, at another listing each time; the model services are fakes."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import closing

import pytest

from lodestone.crawler.v1 import crawl_pb2
from services.crawler.config import CrawlerSettings
from services.crawler.verifying.opening import CheckedPlaces
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.contract.crawler.checked_places import InBucket
from tests.contract.crawler.crawler_process import crawl, crawler
from tests.contract.crawler.mined import BLUE, GREEN, RED, tinted
from tests.crawler.pictures import encode, reencode
from tests.fakes.colour_services import ColourServices

KILLS = 8
FINDS, GREYS = 32, 16


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


@pytest.fixture(params=["here", pytest.param("elsewhere", marks=pytest.mark.long)])
def settings(request):
    """Where catalogue and images are: in the data folder, or on PostgreSQL and S3."""
    if request.param == "here":
        yield {}
        return
    postgres = request.getfixturevalue("postgres")
    bucket = InBucket(request.getfixturevalue("s3_server"), f"kills/{time.time_ns()}")
    with postgres.database() as url:
        yield {"catalogue": postgres.address(url.database), **bucket.settings}


def verify(data, settings, *, grace_s):
    """What is wrong, and how many images there are."""
    places = CheckedPlaces(CrawlerSettings(data=data, **settings))
    places.require_noted()
    terms = CheckTerms(time.time(), grace_s)
    with closing(places.open_catalogue()) as catalogue:
        check = Verification(catalogue, places.open_files(catalogue), terms, threads=2)
        return list(check.check(lambda _: None)), check.counts


async def test_kills_at_any_instant_lose_nothing_and_keep_nothing_twice(site, tmp_path, settings):
    """What each of them leaves is well, and in the end every listing has one outcome, every picture one copy kept."""
    rng = random.Random(8)
    listed = len(list(site.iterdir()))
    with ColourServices() as fakes:
        for kill in range(KILLS):
            async with crawler(tmp_path, fakes.address, settings) as (process, stub):
                await crawl(stub, site, until=listed * (kill + 1) // (KILLS + 2))
                # Any instant within the next listings.
                await asyncio.sleep(rng.uniform(0.0, 0.1))
                process.kill()
                await process.wait()
            assert verify(tmp_path / "data", settings, grace_s=3600.0)[0] == []
        async with crawler(tmp_path, fakes.address, settings) as (process, stub):
            ended = await crawl(stub, site, until=listed + 1)
            assert ended.state == crawl_pb2.CRAWL_STATE_COMPLETED
            process.terminate()
            assert await process.wait() == 0
    problems, counts = verify(tmp_path / "data", settings, grace_s=0.0)
    # Bytes of a near copy that was about to be accepted, when another one was first after the kill.
    assert {problem.kind for problem in problems} <= {"ORPHAN"}
    assert (counts.listing_count, counts.image_count) == (listed, FINDS)
