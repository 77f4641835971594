"""The four services, each as a real server with its real servicer, for callers who mean ill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.internal import encoder as wire

from lodestone.crawler.v1 import crawler_service_pb2 as crawler_pb
from lodestone.embedder.v1 import embedder_service_pb2 as embedder_pb
from lodestone.novelty.v1 import novelty_service_pb2 as novelty_pb
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from lodestone.watermark.v1 import watermark_service_pb2 as watermark_pb
from services.crawler.__main__ import build as build_crawler
from services.crawler.config import CrawlerSettings
from services.embedder.__main__ import define as define_embedder
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.novelty.__main__ import build as build_novelty
from services.novelty.config import NoveltySettings
from services.servicekit.messages import rgb_to_image
from services.watermark.__main__ import define as define_watermark
from services.watermark.config import WatermarkSettings
from services.watermark.detector import Detector
from tests.contract.novelty.calls import fit, message
from tests.contract.raw_call import raw_call
from tests.fakes.colour_services import ColourServices
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder
from tests.fakes.ports import free_port
from tests.fakes.serving import serving, settings_for_tests
from tests.novelty.tastes import unit_rows
from tests.watermark.detectors import BrightnessBackend, fake_folder

WORDS = ("embedder", "watermark", "novelty", "crawler")
# Of unary calls, and of streams on which nothing moves; shorter than a service's own, to be seen.
LIMIT_S = 3.0
_IMAGE = rgb_to_image(np.full((64, 64, 3), 90, np.uint8))

# A field that only a newer client knows.
_NEWER = wire.TagBytes(1_000, 0) + b"\1"


@dataclass(frozen=True)
class Asked:
    """Two methods of a service, and requests that are right."""

    unary: str
    request: bytes
    stream: str
    message: bytes


_ASKED = {
    "embedder": Asked(
        "EmbedImages",
        embedder_pb.EmbedImagesRequest(images=[_IMAGE]).SerializeToString(),
        "StreamEmbedImages",
        embedder_pb.StreamEmbedImagesRequest(id="a", image=_IMAGE).SerializeToString(),
    ),
    "watermark": Asked(
        "DetectWatermarks",
        watermark_pb.DetectWatermarksRequest(images=[_IMAGE]).SerializeToString(),
        "StreamDetectWatermarks",
        watermark_pb.StreamDetectWatermarksRequest(id="a", image=_IMAGE).SerializeToString(),
    ),
    "novelty": Asked(
        "ListProfiles",
        novelty_pb.ListProfilesRequest().SerializeToString() + _NEWER,
        "StreamScoreEmbeddings",
        novelty_pb.StreamScoreEmbeddingsRequest(
            id="a", profile="landscapes", embedding=message(unit_rows(1)[0])
        ).SerializeToString(),
    ),
    "crawler": Asked(
        "ListCrawls",
        crawler_pb.ListCrawlsRequest().SerializeToString() + _NEWER,
        "StreamJudgeImages",
        crawler_pb.StreamJudgeImagesRequest(
            id="a", options=crawler_pb.JudgeOptions(profile="colours"), image=_IMAGE
        ).SerializeToString(),
    ),
}


class Target:
    """A running service.

    Attributes:
        address: `host:port`.
        asked: What is asked of it.
        descriptor: Of its gRPC service.
        max_message_bytes: The largest message that it takes.
    """

    def __init__(self, word, definition, address, channel):
        self.asked = _ASKED[word]
        self.address = address
        self.max_message_bytes = definition.max_message_bytes
        module = import_module(f"lodestone.{word}.v1.{word}_service_pb2")
        self.descriptor: ServiceDescriptor = next(iter(module.DESCRIPTOR.services_by_name.values()))
        self.channel = channel
        self.unary, self.stream = self.path(self.asked.unary), self.path(self.asked.stream)

    def path(self, method):
        return f"/{self.descriptor.full_name}/{method}"

    async def require_right(self):
        """Somebody else is answered."""
        await self.channel.unary_unary(self.unary)(self.asked.request, timeout=5)

    async def status(self, path, content, *, ends=True, **headers):
        """How a call of these bytes ends."""
        async with raw_call(self.address, path, **headers) as call:
            call.send(content, ends=ends)
            async with asyncio.timeout(20):
                return await call.status()

    @asynccontextmanager
    async def neighbour(self):
        """Somebody else, who is answered all the time; yields how often so far, as a list with the seconds of each."""
        seconds, ending, loop = [], asyncio.Event(), asyncio.get_running_loop()

        async def ask():
            while not ending.is_set():
                began = loop.time()
                await self.require_right()
                seconds.append(loop.time() - began)
                await asyncio.sleep(0.005)

        asking = asyncio.create_task(ask())
        try:
            yield seconds
            before = len(seconds)
            while len(seconds) < before + 5 and not asking.done():
                await asyncio.sleep(0.01)
        finally:
            ending.set()
            await asking


async def defined(word, folder, stack: AsyncExitStack, **common):
    """A service with a data folder of its own and networks that are fakes, and its settings."""
    common = {"stream_idle_s": LIMIT_S, "LODESTONE_DATA": folder, **common}
    if word == "embedder":
        settings = settings_for_tests(EmbedderSettings, **common)
        return define_embedder(Encoder(fake_encoder_folder(), FakeBackend()), settings), settings
    if word == "watermark":
        settings = settings_for_tests(WatermarkSettings, **common)
        detector = Detector(fake_folder(threshold=0.4), BrightnessBackend(), threshold=None)
        return define_watermark(detector, settings), settings
    if word == "novelty":
        settings = settings_for_tests(NoveltySettings, **common)
        return await build_novelty(settings), settings
    models = stack.enter_context(ColourServices()).address
    named = {f"LODESTONE_{name}": models for name in ("EMBEDDER", "NOVELTY", "WATERMARK")}
    settings = settings_for_tests(
        CrawlerSettings, **common, **named, min_pixels=0, decoders=1, workers=2
    )
    return await build_crawler(settings), settings


@asynccontextmanager
async def running(word, folder) -> AsyncIterator[Target]:
    """Starts a service with short limits; the novelty service has a profile."""
    async with AsyncExitStack() as stack:
        definition, settings = await defined(word, folder, stack, port=free_port())
        definition = replace(definition, unary_deadline_s=LIMIT_S)
        channel = await stack.enter_async_context(serving(definition, settings))
        if word == "novelty":
            await fit(NoveltyServiceStub(channel))
        yield Target(word, definition, settings.address, channel)
