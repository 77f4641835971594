"""A crawler process that is killed around its deliveries; the receivers are servers of their own."""

from __future__ import annotations

import asyncio
import random
import urllib.request

import pytest

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from tests.contract.crawler.sink_crawler import Place
from tests.faithful.receiver_server import CUT_AFTER, CUT_BEFORE, HOLD, Says
from tests.faithful.scenery_server import SceneryServer
from tests.faithful.webhook_receiver import WebhookReceiver
from tests.fakes.colour_services import ColourServices

COUNT = 6
_DELIVERIES = "lodestone_crawler_sink_deliveries_total"


@pytest.fixture
async def receivers():
    """A webhook's receiver and a gallery, running."""
    async with WebhookReceiver() as hook, SceneryServer() as gallery:
        yield hook, gallery


@pytest.fixture
def models():
    """The address of model services that can be worked out."""
    with ColourServices() as fakes:
        yield fakes.address


def place_of(folder, models, receivers, count=COUNT, **options):
    hook, gallery = receivers
    sinks = {"hook": f"webhook:{hook.origin}/hook", "gallery": f"scenery:{gallery.origin}"}
    return Place.make(folder, models, sinks, count=count, **options)


def require_once(place, receivers):
    """Every receiver has every image, once; the data folder is well."""
    hook, gallery = receivers
    digests = sorted(hook.digests())
    assert len(digests) == len(set(digests)) == place.count
    assert sorted(image.digest for image in gallery.imported) == digests
    assert [image.image_id for image in gallery.imported] == list(range(1, place.count + 1))
    assert place.mirrored() == [digest[:8] for digest in digests]
    assert place.problems() == []


async def test_killed_after_the_commit_and_before_any_delivery(tmp_path, models, receivers):
    """What was accepted while the receivers were away is owed: the next crawler delivers it."""
    hook, _ = receivers
    place = place_of(tmp_path, models, receivers)
    for server in receivers:
        await server.__aexit__()
    async with place.crawler() as (process, stub, _):
        await place.crawl(stub)
        report = await place.report(stub)
        assert (report["hook"], report["gallery"]) == ((COUNT, 0, 0), (COUNT, 0, 0))
        process.kill()
        await process.wait()
    assert place.problems() == []
    for server in receivers:
        await server.__aenter__()
    async with place.crawler() as (process, stub, metrics_port):
        await place.delivered(stub)
        metrics = await asyncio.to_thread(_metrics, metrics_port)
        await _require_backfill_adds_nothing(stub)
        process.terminate()
        assert await process.wait() == 0
    require_once(place, receivers)
    assert hook.repeats == []
    delivered = 'lodestone_crawler_sink_deliveries_total{result="delivered",sink="hook"} 6.0'
    assert delivered in metrics


async def _require_backfill_adds_nothing(stub):
    answer = await stub.BackfillSink(pb.BackfillSinkRequest(name="hook"))
    assert answer.added_count == 0


def _metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return answer.read().decode()


async def test_killed_after_a_delivery_and_before_its_record(tmp_path, models, receivers):
    """Both receivers have an image and their answers are held back: it comes again, and they know it."""
    hook, gallery = receivers
    place = place_of(tmp_path, models, receivers)
    for server in receivers:
        server.faults.append(HOLD)
    async with place.crawler() as (process, stub, _):
        crawling = asyncio.create_task(place.crawl(stub))
        async with asyncio.timeout(60):
            await asyncio.gather(*(server.holding.wait() for server in receivers))
            await crawling
        process.kill()
        await process.wait()
    [held] = list(gallery.imported)
    assert held.image_id == 1
    for server in receivers:
        server.release.set()
    async with place.crawler() as (process, stub, _):
        await place.delivered(stub)
        process.terminate()
        assert await process.wait() == 0
    require_once(place, receivers)
    assert len(hook.repeats) >= 1
    assert gallery.busiest == 1


@pytest.mark.long
async def test_kills_at_any_instant_among_receivers_that_fail(tmp_path, models, receivers):
    """Twenty kills, cut connections and errors: at least once everywhere, once where it is recognised."""
    rng, place = random.Random(8), place_of(tmp_path, models, receivers, count=40)
    faults = (None, None, CUT_BEFORE, CUT_AFTER, Says(500, "oops"), Says(503))
    for kill in range(20):
        for server in receivers:
            server.faults.extend(rng.choices(faults, k=5))
        async with place.crawler() as (process, stub, _):
            await place.crawl(stub, until=2 * kill + 1)
            await asyncio.sleep(rng.uniform(0.0, 0.5))
            process.kill()
            await process.wait()
        assert place.problems() == []
    for server in receivers:
        server.faults.clear()
    async with place.crawler() as (process, stub, _):
        await place.crawl(stub)
        await place.delivered(stub)
    require_once(place, receivers)


@pytest.mark.long
async def test_two_crawlers_on_one_catalogue_share_the_deliveries(
    tmp_path, models, receivers, postgres
):
    """Each image is delivered by one of them, and a gallery is posted to by one at a time."""
    _, gallery = receivers
    with postgres.database() as url:
        catalogue = postgres.address(url.database)
        place = place_of(tmp_path, models, receivers, count=24, catalogue=catalogue)
        async with place.crawler() as (_, stub, first), place.crawler() as (_, other, second):
            await other.ListSinks(pb.ListSinksRequest(), wait_for_ready=True, timeout=60)
            await place.crawl(stub)
            await place.delivered(stub)
            counted = [
                _delivered(await asyncio.to_thread(_metrics, one)) for one in (first, second)
            ]
    assert sum(counted) == 3 * place.count
    assert min(counted) > 0
    assert gallery.busiest == 1
    hook, _ = receivers
    assert (len(hook.digests()), hook.repeats, len(gallery.imported)) == (24, [], 24)
    assert len(place.mirrored()) == 24


def _delivered(metrics):
    lines = [one for one in metrics.splitlines() if one.startswith(_DELIVERIES)]
    return sum(float(one.rsplit(" ", 1)[1]) for one in lines if 'result="delivered"' in one)
