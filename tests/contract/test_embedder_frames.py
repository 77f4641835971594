"""Frames and bytes that no client of gRPC's sends: the answers to them, and to others meanwhile and afterwards."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import grpc
import numpy as np
import pytest
import structlog

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from services.embedder.__main__ import define
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.servicekit import server
from services.servicekit.messages import rgb_to_image
from tests.contract.raw_call import framed, raw_call
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder
from tests.fakes.ports import free_port
from tests.fakes.serving import serving, settings_for_tests

Code = grpc.StatusCode
UNARY, STREAM = (
    f"/lodestone.embedder.v1.EmbedderService/{word}"
    for word in ("EmbedImages", "StreamEmbedImages")
)
IMAGE = rgb_to_image(np.full((64, 64, 3), 90, np.uint8))
REQUESTS = {
    UNARY: pb.EmbedImagesRequest(images=[IMAGE]).SerializeToString(),
    STREAM: pb.StreamEmbedImagesRequest(id="a", image=IMAGE).SerializeToString(),
}


@pytest.fixture(autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


class Service:
    """A running embedder around the fake network."""

    def __init__(self, channel, registry, address):
        self._stub = EmbedderServiceStub(channel)
        self._registry = registry
        self.address = address

    async def require_right(self):
        """Somebody else is answered, at once."""
        async with asyncio.timeout(30):
            [result] = (await self._stub.EmbedImages(pb.EmbedImagesRequest(images=[IMAGE]))).results
        assert result.WhichOneof("outcome") == "value"

    def counted(self, outcome):
        labels = {"outcome": outcome}
        return self._registry.get_sample_value("lodestone_embedder_images_total", labels) or 0


@asynccontextmanager
async def service(**changes):
    settings = settings_for_tests(EmbedderSettings, port=free_port(), **changes)
    definition = define(Encoder(fake_encoder_folder(), FakeBackend()), settings)
    async with serving(definition, settings) as channel, asyncio.timeout(60):
        yield Service(channel, definition.registry, settings.address)


async def status_of(embedder, path, content, *, ends=True, **headers):
    """How a call of these bytes ends."""
    async with raw_call(embedder.address, path, **headers) as call:
        call.send(content, ends=ends)
        async with asyncio.timeout(30):
            return await call.status()


BROKEN = {
    "a length of 4 GiB": (b"\0\xff\xff\xff\xff0123456789", False, {}, {Code.RESOURCE_EXHAUSTED}),
    "gzip that is none": (
        framed(b"no gzip at all", flag=1), True, {"grpc_encoding": "gzip"}, {Code.INTERNAL},
    ),
    "compressed by nothing": (framed(b"x", flag=1), True, {}, {Code.INTERNAL}),
    "compressed by something unknown": (
        framed(b"x", flag=1), True, {"grpc_encoding": "none-such"}, {Code.INTERNAL, Code.UNIMPLEMENTED},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "ends", "headers", "codes"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("path", [UNARY, STREAM], ids=["unary", "stream"])
async def test_a_message_that_cannot_be_read(path, content, ends, headers, codes):
    """An error at once, without waiting for what was announced; no image is computed of it."""
    async with service() as embedder:
        assert await status_of(embedder, path, content, ends=ends, **headers) in codes
        assert embedder.counted("computed") == 0
        await embedder.require_right()


ODD = {
    "a content type of the web": (1, {"content_type": "text/html"}),
    "a timeout that is none": (1, {"grpc_timeout": "99999999999Z"}),
    "two messages": (2, {}),
}


@pytest.mark.parametrize(("messages", "headers"), ODD.values(), ids=ODD)
async def test_what_grpc_takes_although_it_is_odd(messages, headers):
    """The one image of a unary call is computed, once."""
    async with service() as embedder:
        content = framed(REQUESTS[UNARY]) * messages
        assert await status_of(embedder, UNARY, content, **headers) is Code.OK
        assert embedder.counted("computed") == 1
        await embedder.require_right()


async def test_a_flag_that_does_not_exist():
    """Its call has an answer of whatever kind, or none; others have theirs meanwhile."""
    async with service() as embedder, raw_call(embedder.address, UNARY) as call:
        call.send(framed(REQUESTS[UNARY], flag=7), ends=True)
        for _ in range(3):
            await embedder.require_right()


HALF = {
    "nothing": b"",
    "half of a length": b"\0\0",
    "half of a message": framed(REQUESTS[STREAM])[:500],
}


@pytest.mark.parametrize("content", HALF.values(), ids=HALF)
async def test_a_stream_that_stays_half_open(content):
    """It is ended as idle."""
    async with service(stream_idle_s=0.3) as embedder:
        assert await status_of(embedder, STREAM, content, ends=False) is Code.DEADLINE_EXCEEDED
        await embedder.require_right()


@pytest.mark.parametrize("ends", [False, True], ids=["stays open", "says that it is all"])
@pytest.mark.parametrize("content", HALF.values(), ids=HALF)
async def test_unary_calls_that_stay_half_open(content, ends):
    """However many there are, they hold nothing that others need; nothing is left of them once they have gone."""
    async with service() as embedder:
        await embedder.require_right()
        before = len(asyncio.all_tasks())
        async with AsyncExitStack() as stack:
            for _ in range(100):
                call = await stack.enter_async_context(raw_call(embedder.address, UNARY))
                call.send(content, ends=ends)
            # grpc.aio gives those up by itself that have ended too early.
            if not ends:
                await tasks_become(lambda count: count >= before + 100)
            for _ in range(3):
                await embedder.require_right()
        await tasks_become(lambda count: count <= before)


async def tasks_become(condition):
    """Returns when so many tasks run; no event tells of it."""
    async with asyncio.timeout(30):
        while not condition(len(asyncio.all_tasks())):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", [UNARY, STREAM], ids=["unary", "stream"])
async def test_a_peer_that_has_gone_without_a_word(path, monkeypatch):
    """What answers no ping is disconnected; here all of the server's times for that are a tenth."""
    options = server._options

    def sooner(max_message_bytes, settings):
        pings = (
            "grpc.keepalive_time_ms",
            "grpc.keepalive_timeout_ms",
            "grpc.http2.ping_timeout_ms",
        )
        found = dict(options(max_message_bytes, settings))
        return list({**found, **{name: found[name] // 10 for name in pings}}.items())

    monkeypatch.setattr(server, "_options", sooner)
    async with service() as embedder, raw_call(embedder.address, path) as call:
        async with asyncio.timeout(30):
            await call.deaf()
        await embedder.require_right()


OTHERS = {
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: lodestone\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "nothing known": b"\x07" * 500,
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
async def test_bytes_that_are_not_grpc(content):
    """The connection is closed."""
    async with service() as embedder:
        host, _, port = embedder.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(content)
        async with asyncio.timeout(30):
            with suppress(ConnectionError):
                await reader.read()
        writer.close()
        await embedder.require_right()
