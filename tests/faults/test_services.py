"""Model services that are killed under load or away for long: crawls wait, and nothing fails for it."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import ExitStack

import psutil
import pytest

from lodestone.client import connect
from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from services.servicekit.messages import rgb_to_image
from tests.crawler.pictures import scene
from tests.faults.model_process import ModelProcess
from tests.faults.places import off_loop
from tests.faults.rig import working

_CALLERS = 6


@pytest.fixture
def three():
    """A process for each of the model services."""
    with ExitStack() as stack:
        yield [stack.enter_context(ModelProcess()) for _ in range(3)]


async def test_model_services_that_are_killed_under_load(in_folder, three, expected):
    """Embedder, novelty and watermark, one after the other and again: every listing ends as it would have."""
    in_folder.models = three
    in_folder.start()
    async with working(in_folder, expected) as work:
        for model in three * 3:
            await work.more(4)
            model.kill()
            model.start()
    log = in_folder.log.read_text()
    assert "listing_retried" not in log
    assert '"service_away"' in log
    assert '"service_back"' in log


async def test_one_of_two_replicas_is_always_there():
    """Each is killed under load when the other serves, and no call of a client fails."""
    request = pb.EmbedImagesRequest(images=[rgb_to_image(scene(1, width_px=8, height_px=8))])
    answered, failures, ending = itertools.count(), [], asyncio.Event()

    async def call(stub):
        while not ending.is_set():
            try:
                answer = await stub.EmbedImages(request, timeout=20)
                assert len(answer.results) == 1
                next(answered)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                failures.append(error)

    with ModelProcess() as one, ModelProcess() as other:
        async with connect(f"ipv4:///{one.address},{other.address}") as channel:
            await _wait_for(one, other)
            stub = EmbedderServiceStub(channel)
            callers = [asyncio.create_task(call(stub)) for _ in range(_CALLERS)]
            for model in (one, other):
                before = next(answered)
                model.kill()
                while next(answered) < before + 100:
                    await asyncio.sleep(0.01)
                model.start()
                await _wait_for(model)
                await _connected(model)
            ending.set()
            await asyncio.gather(*callers)
    assert failures == []


async def _wait_for(*models):
    for model in models:
        async with connect(model.address) as channel:
            stub = EmbedderServiceStub(channel)
            await stub.GetEncoder(pb.GetEncoderRequest(), wait_for_ready=True, timeout=30)


async def _connected(model):
    """Returns when a channel of this process has found the model again, which it does when its back-off is over."""
    port = int(model.address.rpartition(":")[2])
    async with asyncio.timeout(30):
        while not any(
            one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
            for one in psutil.Process().net_connections("tcp")
        ):
            await asyncio.sleep(0.02)


async def stay_away(rig, three, expected, *, away_s, again_s):
    """Takes the embedder away for so long or a little longer, in the middle of a crawl.

    It goes on within `again_s`.
    """
    rig.models = three
    rig.start()
    async with working(rig, expected) as work:
        await work.more(10)
        three[0].kill()
        async with asyncio.timeout(30):
            while "waiting for the embedder" not in await rig.ask(_reason):
                await asyncio.sleep(0.05)
        # What is under way comes to the embedder and stands still; what needs none of it is over as soon.
        await asyncio.sleep(away_s / 2)
        moved = None
        async with asyncio.timeout(away_s / 2 + 60):
            while moved != (moved := (work.settled, await off_loop(rig.site.count))):
                await asyncio.sleep(away_s / 2)
        three[0].start()
        await _wait_for(three[0])
        assert await work.more(1) < again_s
    assert "listing_retried" not in rig.log.read_text()


async def _reason(client):
    crawls = await client.list_crawls()
    return (await client.get_crawl(crawls[0].crawl_id)).state_reason


async def test_an_embedder_that_is_away_for_longer_than_every_retry(in_folder, three, expected):
    """Nothing is fetched while nothing can be judged, nothing is rejected, and it goes on by itself."""
    await stay_away(in_folder, three, expected, away_s=8, again_s=30)


@pytest.mark.long
async def test_an_embedder_that_is_away_for_a_minute(in_folder, three, expected):
    """The same for long; where nothing else runs, it goes on within 3 s."""
    await stay_away(in_folder, three, expected, away_s=60, again_s=3)
