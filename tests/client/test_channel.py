"""Channels: retries, message limits, targets."""

from __future__ import annotations

import grpc
import pytest

from lodestone.client import EmbedderClient, connect
from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import embedder_service_pb2_grpc as grpc_stubs
from lodestone.image.v1.image_pb2 import Image


class Flaky(grpc_stubs.EmbedderServiceServicer):
    """Answers GetEncoder and opens streams only after some failures."""

    def __init__(self, failures):
        self.failures = failures
        self.call_count = 0
        self.stream_count = 0

    async def GetEncoder(self, request, context):  # noqa: N802 - the contract's name
        self.call_count += 1
        if self.call_count <= self.failures:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return pb.GetEncoderResponse()

    async def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        self.stream_count += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        yield


async def test_unavailable_is_tried_four_times(serve_at):
    """Three failures pass unseen, a fourth does not."""
    patient = Flaky(failures=3)
    async with EmbedderClient(await serve_at(patient)) as embedder:
        await embedder.get_encoder()
    assert patient.call_count == 4
    hopeless = Flaky(failures=9)
    async with EmbedderClient(await serve_at(hopeless)) as embedder:
        with pytest.raises(grpc.aio.AioRpcError, match="not yet"):
            await embedder.get_encoder()
    assert hopeless.call_count == 4


async def test_streams_are_left_to_those_who_open_them_again(serve_at):
    """A bidi stream is not tried twice behind the back of MultiplexedStream, which says that it waits."""
    servicer = Flaky(failures=0)
    async with connect(await serve_at(servicer)) as channel:
        stream = grpc_stubs.EmbedderServiceStub(channel).StreamEmbedImages()
        with pytest.raises(grpc.aio.AioRpcError, match="not yet"):
            await stream.read()
    assert servicer.stream_count == 1


async def test_messages_over_the_limit_do_not_leave(serve_at):
    """RESOURCE_EXHAUSTED here, and nothing arrives there."""
    servicer = Flaky(failures=0)
    async with connect(await serve_at(servicer), max_message_bytes=1000) as channel:
        request = pb.EmbedImagesRequest(images=[Image(encoded=bytes(2000))])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await grpc_stubs.EmbedderServiceStub(channel).EmbedImages(request)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_proxy_for_the_world_is_not_asked_for_a_neighbour(serve_at, monkeypatch):
    """http_proxy does not stand between the services."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with EmbedderClient(await serve_at(Flaky(failures=0))) as embedder:
        await embedder.get_encoder()


async def test_a_target_with_a_scheme_is_taken_as_it_is(serve_at):
    """`ipv4:///…` and `unix:…` are gRPC's own."""
    address = await serve_at(Flaky(failures=0))
    async with EmbedderClient(f"dns:///{address}") as embedder:
        await embedder.get_encoder()
