"""Priorities over the wire: real crawlers, alone and two on one PostgreSQL; model services that are fakes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import grpc
import pytest
from pydantic import SecretStr

from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from services.crawler import __main__ as main
from services.crawler.config import CrawlerSettings
from services.crawler.crawl import host_queue
from services.crawler.crawl.crawl_run import RunLimits
from services.crawler.crawl.listing_turns import ListingTurns
from services.crawler.fetch.fetcher import Fetcher
from tests.contract.refusal import refusal
from tests.fakes.colour_services import ColourServices, jpeg_of
from tests.fakes.serving import serving, settings_for_tests

LOW, HIGH = 8, 4
# Of one crawler with one worker: what is under way, and what is leased ahead.
HELD = 2


class Gate:
    """Fetches nothing until it is opened.

    Attributes:
        fetched: The sources of the listings that were fetched, in order.
        asked: Set once something is to be fetched.
    """

    def __init__(self):
        self.open = asyncio.Event()
        self.asked = asyncio.Event()
        self.fetched = []

    def fetcher(self):
        gate = self

        class Gated(Fetcher):
            async def fetch(self, listing):
                gate.asked.set()
                await gate.open.wait()
                gate.fetched.append(listing.source.rpartition("/")[2])
                return await super().fetch(listing)

        return Gated


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two folders of images, and where everything else is."""
    for name, count, green in (("low", LOW, 0), ("high", HIGH, 200)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.jpg").write_bytes(jpeg_of((20 * number, green, 90)))
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(main, "RunLimits", partial(RunLimits, max_held=1, poll_s=0.05))
    with ColourServices() as fakes:
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        yield [f"folder:{tmp_path / name}" for name in ("low", "high")]


@pytest.fixture
def crawler(monkeypatch):
    @asynccontextmanager
    async def start(gate, catalogue=""):
        monkeypatch.setattr(main, "Fetcher", gate.fetcher())
        settings = settings_for_tests(
            CrawlerSettings, min_pixels=0, decoders=1, workers=1, catalogue=SecretStr(catalogue)
        )
        async with serving(await main.build(settings), settings) as channel:
            yield CrawlerServiceStub(channel)

    return start


async def create(stub, places, *priorities):
    """Creates a crawl and waits until all is listed; returns its id."""
    sources = [
        CrawlSource(uri=uri, priority=priority)
        for uri, priority in zip(places, priorities, strict=True)
    ]
    request = pb.CreateCrawlRequest(request_id="r", crawl_sources=sources, profile="colours")
    made = (await stub.CreateCrawl(request)).crawl
    await reach(stub, made.crawl_id, lambda crawl: crawl.progress.found_count == LOW + HIGH)
    return made.crawl_id


async def reach(stub, crawl_id, is_there):
    async with asyncio.timeout(60):
        while True:
            crawl = (await stub.GetCrawl(pb.GetCrawlRequest(crawl_id=crawl_id))).crawl
            if is_there(crawl):
                return crawl
            await asyncio.sleep(0.02)


def priorities_of(crawl):
    return [status.source.priority for status in crawl.source_statuses]


def is_completed(crawl):
    return crawl.state == crawl_pb2.CRAWL_STATE_COMPLETED


def require_high_first(fetched):
    """But for what was leased before."""
    later = fetched[HELD:]
    assert later == sorted(later)
    assert "high" in later


async def test_a_change_while_a_crawl_runs(places, crawler):
    """What is leased next is of the source that goes first now; doing it again changes nothing."""
    gate = Gate()
    async with crawler(gate) as stub:
        crawl_id = await create(stub, places, 1, 0)
        request = pb.SetCrawlPriorityRequest(crawl_id=crawl_id, sources=places[1:], priority=9)
        for _ in range(2):
            assert priorities_of((await stub.SetCrawlPriority(request)).crawl) == [1, 9]
        gate.open.set()
        await reach(stub, crawl_id, is_completed)
    assert len(gate.fetched) == LOW + HIGH
    require_high_first(gate.fetched)


async def test_one_crawler_changes_what_another_leases_next(places, crawler, postgres, monkeypatch):
    """It is told to the second, and the first does it; nothing that is under way is begun anew."""
    gates = Gate(), Gate()
    told = []
    prioritise = ListingTurns.prioritise

    def tell(turns, priorities):
        prioritise(turns, priorities)
        told.append((turns, dict(priorities)))

    monkeypatch.setattr(ListingTurns, "prioritise", tell)
    with postgres.database() as url:
        catalogue = postgres.address(url.database)
        async with crawler(gates[0], catalogue) as first, crawler(gates[1], catalogue) as second:
            crawl_id = await create(first, places, 1, 0)
            request = pb.SetCrawlPriorityRequest(crawl_id=crawl_id, sources=places[1:], priority=9)
            await second.SetCrawlPriority(request)
            asked = await first.GetCrawl(pb.GetCrawlRequest(crawl_id=crawl_id))
            assert priorities_of(asked.crawl) == [1, 9]
            # Their listers know it before it is their turn.
            async with asyncio.timeout(20):
                while len({turns for turns, given in told if given == {0: 1, 1: 9}}) < 2:
                    await asyncio.sleep(0.02)
            gates[0].open.set()
            least = LOW + HIGH - HELD
            await reach(first, crawl_id, lambda crawl: crawl.progress.settled_count >= least)
            gates[1].open.set()
            await reach(first, crawl_id, is_completed)
    assert sum(len(gate.fetched) for gate in gates) == LOW + HIGH
    require_high_first(gates[0].fetched)


async def test_a_crawl_says_which_one_it_waits_for(places, crawler, monkeypatch):
    """One of a higher priority has all that is under way; once it goes on, so does the other."""
    monkeypatch.setattr(host_queue, "_TOLD_AFTER_S", 0.1)
    gate = Gate()
    async with crawler(gate) as stub:
        crawl_ids = []
        for uri, priority in zip(places[::-1], (9, 0), strict=True):
            source = CrawlSource(uri=uri, priority=priority)
            request = pb.CreateCrawlRequest(
                request_id=uri, crawl_sources=[source], profile="colours"
            )
            crawl_ids.append((await stub.CreateCrawl(request)).crawl.crawl_id)
            async with asyncio.timeout(20):
                await gate.asked.wait()
        high, low = crawl_ids
        reason = f"waits for crawl {high}, which has a higher priority"
        await reach(stub, low, lambda crawl: crawl.state_reason == reason)
        asked = await stub.GetCrawl(pb.GetCrawlRequest(crawl_id=high))
        assert asked.crawl.state_reason == ""
        gate.open.set()
        for crawl_id in crawl_ids:
            assert (await reach(stub, crawl_id, is_completed)).state_reason == ""


async def test_all_sources_of_a_crawl_and_new_ones(places, crawler):
    """One that is added has its own; one that is named again takes the new one."""
    async with crawler(Gate()) as stub:
        crawl_id = await create(stub, places, 1, 0)
        request = pb.SetCrawlPriorityRequest(crawl_id=crawl_id, priority=-100)
        assert priorities_of((await stub.SetCrawlPriority(request)).crawl) == [-100, -100]
        sources = [
            CrawlSource(uri=places[0], priority=4),
            CrawlSource(uri="page:http://h.example/"),
        ]
        added = pb.AddCrawlSourcesRequest(crawl_id=crawl_id, crawl_sources=sources)
        assert priorities_of((await stub.AddCrawlSources(added)).crawl) == [4, -100, 0]
        await stub.CancelCrawl(pb.CancelCrawlRequest(crawl_id=crawl_id))
        assert await refusal(stub.SetCrawlPriority(request)) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            f"crawl {crawl_id} has ended: it is CANCELLED",
        )


async def test_what_is_refused(places, crawler):
    """A crawl or source that is not there, and a priority out of range; nothing changes."""
    async with crawler(Gate()) as stub:
        crawl_id = await create(stub, places, 1, 0)

        async def refused(**fields):
            asked = {"crawl_id": crawl_id, "priority": 5} | fields
            return await refusal(stub.SetCrawlPriority(pb.SetCrawlPriorityRequest(**asked)))

        missing = grpc.StatusCode.NOT_FOUND
        wrong = grpc.StatusCode.INVALID_ARGUMENT
        assert await refused(crawl_id="none") == (missing, "there is no crawl 'none'")
        other = "page:http://h.example/"
        assert await refused(sources=[places[0], other]) == (
            missing,
            f"there is no source of crawl {crawl_id} {other!r}",
        )
        assert await refused(priority=101) == (wrong, "a priority of 101: give -100 to 100")
        assert (await refused(sources=["nonsense:x"]))[0] == wrong
        assert (await refused(sources=places * 501))[0] == wrong
        source = CrawlSource(uri=places[0], priority=-101)
        create_it = pb.CreateCrawlRequest(
            request_id="other", crawl_sources=[source], profile="colours"
        )
        add_it = pb.AddCrawlSourcesRequest(crawl_id=crawl_id, crawl_sources=[source])
        for call in (stub.CreateCrawl(create_it), stub.AddCrawlSources(add_it)):
            assert await refusal(call) == (wrong, "a priority of -101: give -100 to 100")
        asked = await stub.GetCrawl(pb.GetCrawlRequest(crawl_id=crawl_id))
        assert priorities_of(asked.crawl) == [1, 0]
