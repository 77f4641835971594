"""Rolling restarts under load: every replica of a service is replaced, and no call fails."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

import numpy as np
import pytest

from lodestone.client import CrawlerClient, EmbedderClient, NoveltyClient, WatermarkClient
from lodestone.crawler.v1 import crawler_service_pb2 as crawler_pb
from lodestone.image.v1 import verdict_pb2
from lodestone.image.v1.image_pb2 import Image
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.servicekit.messages import rgb_to_image
from tests.contract.novelty.calls import fit, messages
from tests.crawler.pictures import scene
from tests.fakes.colour_services import jpeg_of
from tests.faults.replicas import replicas
from tests.faults.rig import working
from tests.novelty.tastes import unit_rows

_CALLERS = 2
_PAUSE_S = 0.1
_PATIENCE_S = 60.0
_IMAGES = [rgb_to_image(scene(seed, width_px=64, height_px=48)) for seed in range(5)]


class Load:
    """Callers of everything that a service does, all the time; each answer is compared with that of before.

    Attributes:
        counts: Answers of each kind, by name.
        longest_s: The longest time that a caller waited.
    """

    def __init__(self, calls):
        """Takes, by name, what asks for the answer to a number from 0 to 4."""
        self._calls = calls
        self._expected = {}
        self._ending = asyncio.Event()
        self.counts = dict.fromkeys(calls, 0)
        self.longest_s = 0.0

    @property
    def described(self):
        """What was answered, for a report."""
        return f"{self.counts}, the longest after {self.longest_s:.2f} s"

    async def learn(self):
        """Asks once for each answer."""
        for name, call in self._calls.items():
            for number in range(5):
                self._expected[name, number] = await call(number)

    async def more(self, count):
        """Returns when there are so many more answers of each kind."""
        goal = {name: before + count for name, before in self.counts.items()}
        async with asyncio.timeout(_PATIENCE_S):
            while any(self.counts[name] < goal[name] for name in goal):
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def going_on(self):
        """For as long as the block lasts; fails with it."""
        await self.learn()
        async with asyncio.TaskGroup() as tasks:
            for name in self._calls:
                for first in range(_CALLERS):
                    tasks.create_task(self._repeat(name, first))
            await self.more(5)
            yield
            await self.more(5)
            self._ending.set()

    async def _repeat(self, name, first):
        for number in itertools.cycle([*range(first, 5), *range(first)]):
            if self._ending.is_set():
                return
            began = time.monotonic()
            assert await self._calls[name](number) == self._expected[name, number]
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self.counts[name] += 1
            # Whoever takes a place needs the processor to start: without a pause he waited for it most of the time.
            await asyncio.sleep(_PAUSE_S)


def rounded(values):
    return tuple(np.round(values, 3) + 0.0)


def embedder_load(client):
    async def unary(number):
        [result] = await client.embed_images([_IMAGES[number]])
        return rounded(result.value.values)

    async def streamed(number):
        return rounded((await client.embed(_IMAGES[number])).value.values)

    async def described(_):
        return (await client.get_encoder()).encoder_id

    return Load({"unary": unary, "streamed": streamed, "described": described})


def watermark_load(client):
    async def unary(number):
        [result] = await client.detect_watermarks([_IMAGES[number]])
        return round(result.value.probability, 3)

    async def streamed(number):
        return round((await client.detect(_IMAGES[number])).value.probability, 3)

    return Load({"unary": unary, "streamed": streamed})


def novelty_load(client):
    rows = messages(unit_rows(5))

    async def unary(number):
        [result] = await client.score_embeddings("landscapes", [rows[number]])
        return result.value.log_likelihood

    async def streamed(number):
        return (await client.score("landscapes", rows[number])).value.log_likelihood

    async def liked(_):
        return len([one async for one in client.list_liked_images("landscapes")])

    return Load({"unary": unary, "streamed": streamed, "liked": liked})


def crawler_load(client):
    options = crawler_pb.JudgeOptions(profile="colours")
    images = [Image(encoded=jpeg_of((40 * number, 10, 240))) for number in range(5)]

    async def unary(number):
        [result] = await client.judge_images([images[number]], options)
        return verdict_pb2.Verdict.Name(result.value.verdict)

    async def streamed(number):
        result = await client.judge(images[number], options)
        return verdict_pb2.Verdict.Name(result.value.verdict)

    async def listed(_):
        return isinstance(await client.list_crawls(), list)

    return Load({"unary": unary, "streamed": streamed, "listed": listed})


async def test_an_embedder_is_restarted_replica_by_replica(tmp_path, record_property):
    """Each of two replicas is replaced by one with another address."""
    # A start tries every batch up to the largest.
    small = {"LODESTONE_EMBEDDER_MAX_BATCH": "4"}
    async with (
        replicas("embedder", 2, tmp_path, lambda _: small) as (found, target),
        EmbedderClient(target) as client,
    ):
        load = embedder_load(client)
        async with load.going_on():
            await found.replace_each()
    record_property("load", load.described)
    assert load.longest_s < 10


SERVICES = {
    "embedder": (EmbedderClient, embedder_load),
    "watermark": (WatermarkClient, watermark_load),
    "novelty": (NoveltyClient, novelty_load),
}


@pytest.mark.long
@pytest.mark.parametrize("word", SERVICES)
async def test_every_service_is_restarted_twice(word, tmp_path, record_property):
    """Three replicas of each; a profile is in a folder that they share."""
    make, load_of = SERVICES[word]
    shared = {"LODESTONE_DATA": str(tmp_path / "data")}
    async with (
        replicas(word, 3, tmp_path, lambda _: shared) as (found, target),
        make(target) as client,
    ):
        if word == "novelty":
            await fit(NoveltyServiceStub(client.channel))
        load = load_of(client)
        async with load.going_on():
            for _ in range(2):
                await found.replace_each()
                await load.more(10)
    record_property("load", load.described)
    assert load.longest_s < 10


@pytest.mark.long
async def test_crawlers_are_restarted_while_they_crawl(
    in_cluster, expected, tmp_path, record_property
):
    """What they judge for callers, and crawl after crawl with each listing told once."""
    rig = in_cluster

    def environment(host):
        own = {"LODESTONE_DATA": str(tmp_path / host)}
        return rig.environment(**own)

    async with replicas("crawler", 2, tmp_path, environment) as (found, target):
        rig.address = target
        async with CrawlerClient(target) as client, working(rig, expected) as work:
            load = crawler_load(client)
            async with load.going_on():
                for _ in range(2):
                    await found.replace_each()
                    await work.more(20)
    record_property("load", f"{load.described}; {work.settled} listings of {work.batches} crawls")
    assert load.longest_s < 20
