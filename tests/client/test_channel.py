"""Channels: retries, message limits, targets."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool

from lodestone.client import EmbedderClient, connect
from lodestone.client.channel import lost_peer
from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import embedder_service_pb2_grpc as grpc_stubs
from lodestone.image.v1.image_pb2 import Image

PUSHBACK_MS = 400
ROOT = Path(__file__).parents[2]


class Flaky(grpc_stubs.EmbedderServiceServicer):
    """Answers GetEncoder and opens streams only after some failures."""

    def __init__(self, failures, code=grpc.StatusCode.UNAVAILABLE):
        self.failures = failures
        self.code = code
        self.call_count = 0
        self.stream_count = 0

    async def GetEncoder(self, request, context):  # noqa: N802 - the contract's name
        self.call_count += 1
        if self.call_count <= self.failures:
            await context.abort(self.code, "not yet")
        return pb.GetEncoderResponse()

    async def EmbedImages(self, request, context):  # noqa: N802 - the contract's name
        self.call_count += 1
        if self.call_count <= self.failures:
            trailers = (("grpc-retry-pushback-ms", str(PUSHBACK_MS)),)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", trailers)
        return pb.EmbedImagesResponse()

    async def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        self.stream_count += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        yield


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
async def test_a_server_that_is_away_is_tried_four_times(serve_at, code):
    """Three failures pass unseen, a fourth does not; grpc.aio cancels calls that reach it while it stops."""
    patient = Flaky(failures=3, code=code)
    async with EmbedderClient(await serve_at(patient)) as embedder:
        await embedder.get_encoder()
    assert patient.call_count == 4
    hopeless = Flaky(failures=9, code=code)
    async with EmbedderClient(await serve_at(hopeless)) as embedder:
        with pytest.raises(grpc.aio.AioRpcError, match="not yet"):
            await embedder.get_encoder()
    assert hopeless.call_count == 4


async def test_a_full_queue_is_asked_again_when_it_says(serve_at):
    """After the milliseconds of the trailer, not after gRPC's own; megabytes are sent again as well."""
    servicer = Flaky(failures=2)
    request = pb.EmbedImagesRequest(images=[Image(encoded=bytes(2_000_000))])
    start_s = time.monotonic()
    async with connect(await serve_at(servicer)) as channel:
        await grpc_stubs.EmbedderServiceStub(channel).EmbedImages(request)

    assert servicer.call_count == 3
    assert time.monotonic() - start_s >= 2 * PUSHBACK_MS / 1000


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
    servicer = Flaky(failures=0)
    async with EmbedderClient(await serve_at(servicer)) as embedder:
        await embedder.get_encoder()
    assert servicer.call_count == 1


async def test_a_target_with_a_scheme_is_taken_as_it_is(serve_at):
    """`ipv4:///…` and `unix:…` are gRPC's own."""
    servicer = Flaky(failures=0)
    address = await serve_at(servicer)
    async with EmbedderClient(f"ipv4:///{address}") as embedder:
        await embedder.get_encoder()
    assert servicer.call_count == 1


@pytest.mark.parametrize(
    ("details", "peer"),
    [
        ("failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:5: refused", "10.0.0.1:5"),
        ("connections to all backends failing; last error: UNKNOWN: ipv6:%5B::1%5D:5: no", "[::1]:5"),
        ("errors resolving host.invalid:5: [field:lookup error: not found]", "host.invalid:5"),
        ("DNS resolution failed for host.invalid:5: C-ares status", "host.invalid:5"),
        ("failed to connect to all addresses; last error: FAILED_PRECONDITION: unix:/a/b: no", "unix:/a/b"),
    ],
)  # fmt: skip
def test_the_peer_of_a_lost_connection_is_known(details, peer):
    """With gRPC's part of a longer text."""
    assert lost_peer(f"away: {details}") == (peer, details)


def test_other_texts_have_no_peer():
    """What a server says is its own."""
    assert lost_peer("there is no profile 'all addresses'") is None


def test_the_service_config_is_the_one_beside_the_protos():
    """`make protos` copies it into the package."""
    copy = files("lodestone.client").joinpath("service_config.json").read_bytes()
    assert copy == (ROOT / "protos" / "service_config.json").read_bytes()


def test_the_service_config_names_methods_that_there_are():
    """Each at most once; one that was renamed would be tried again as all others are, without a word."""
    config = json.loads((ROOT / "protos" / "service_config.json").read_text())
    named = [
        f"{name['service']}.{name['method']}"
        for methods in config["methodConfig"]
        for name in methods["name"]
        if name
    ]
    assert len(named) == len(set(named)) > 0
    for name in named:
        assert descriptor_pool.Default().FindMethodByName(name).full_name == name
