from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import grpc
import pytest
import structlog

from lodestone.cli.certs.authority import Authority
from lodestone.client import Transport, connect, reloading_channel
from lodestone.client.reloading_channel import ReloadingChannel
from tests.fakes.certificate_files import issue, write
from tests.servicekit.echo_service import EchoClient, EchoService
from tests.servicekit.tls_servers import serving_tls


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(reloading_channel, "_LOOK_EVERY_S", 0.0)


@pytest.fixture(autouse=True)
def _quiet():
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
async def one(tmp_path):
    """A server, and beside it the folder of a person."""

    async def watch(text):
        yield text

    async with serving_tls(EchoService(watch=watch).definition(), tmp_path / "echo") as started:
        write(tmp_path / "person", issue(started.authority, "person"), started.authority)
        yield started


@pytest.fixture
async def channel(one, tmp_path):
    async with connect(one.address, transport=Transport(tmp_path / "person")) as opened:
        yield opened


def renew(one, folder: Path, *, to: Authority | None = None) -> None:
    write(folder, issue(to or one.authority, "person"), to or one.authority)


async def test_calls_of_every_kind_go_through(channel):
    """As on a channel of gRPC's own."""
    client = EchoClient(channel)
    assert isinstance(channel, ReloadingChannel)
    await channel.channel_ready()
    assert channel.get_state() is grpc.ChannelConnectivity.READY
    assert await client.unary("a") == "a"
    assert await client.collect(iter("ab")) == "ab"
    assert [text async for text in client.watch("c")] == ["c"]
    stream = client.stream()
    await stream.write("d")
    assert await stream.read() == "d"
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF


async def test_a_new_certificate_is_shown_without_a_new_channel(one, channel, tmp_path):
    """Only the new authority is believed by then: the old certificate would be turned away."""
    client = EchoClient(channel)
    assert await client.unary("a") == "a"
    new = Authority.create()
    write(tmp_path / "echo", issue(new, "echo"), new)
    renew(one, tmp_path / "person", to=new)

    assert await client.unary("b") == "b"
    assert await client.unary("c") == "c"


async def test_a_stream_ends_on_the_channel_that_it_began_on(one, channel, tmp_path):
    """Then that is closed; new calls are on the new one meanwhile."""
    client = EchoClient(channel)
    stream = client.stream()
    await stream.write("a")
    assert await stream.read() == "a"
    old = channel.generation()
    renew(one, tmp_path / "person")
    assert await client.unary("b") == "b"
    assert channel.generation() is not old
    [retired] = channel._retired.values()

    await stream.write("c")
    assert await stream.read() == "c"
    assert not retired.done()
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    async with asyncio.timeout(30):
        await retired
    assert old.channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
    assert not channel._retired


async def test_files_that_are_no_good_change_nothing(channel, tmp_path):
    """Calls go on with those of before, on the same channel."""
    client = EchoClient(channel)
    before = channel.generation()
    (tmp_path / "person" / "tls.key").write_text("half")
    assert await client.unary("a") == "a"
    (tmp_path / "person" / "tls.key").unlink()
    assert await client.unary("b") == "b"
    assert channel.generation() is before


async def test_a_closed_channel_ends_the_streams_of_all_generations(one, channel, tmp_path):
    """Whoever waits for one is not left waiting."""
    client = EchoClient(channel)
    streams = []
    for _ in range(2):
        stream = client.stream()
        await stream.write("a")
        assert await stream.read() == "a"
        streams.append(asyncio.ensure_future(stream.read()))
        await asyncio.sleep(0)
        renew(one, tmp_path / "person")

    await channel.close()

    async with asyncio.timeout(30):
        for waiting in streams:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                assert await waiting is grpc.aio.EOF
    assert not channel._retired


async def test_a_channel_that_is_replaced_just_then_is_closed_as_well(one, channel, tmp_path):
    """What would close it has not begun."""
    old = channel.generation()
    renew(one, tmp_path / "person")
    new = channel.generation()
    assert new is not old

    await channel.close()

    for generation in (old, new):
        assert generation.channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


async def test_a_closed_channel_makes_no_other(one, channel, tmp_path):
    """Nobody would close it."""
    last = channel.generation()
    await channel.close()
    renew(one, tmp_path / "person")
    assert channel.generation() is last


async def test_calls_of_all_generations_have_the_grace_to_end(one, channel, tmp_path):
    """Those that began on an old channel, too."""
    client = EchoClient(channel)
    streams = []
    for _ in range(2):
        stream = client.stream()
        await stream.write("a")
        assert await stream.read() == "a"
        streams.append(stream)
        renew(one, tmp_path / "person")

    closing = asyncio.create_task(channel.close(10))
    await asyncio.sleep(0.05)
    assert not closing.done()
    for stream in streams:
        await stream.write("b")
        assert await stream.read() == "b"
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK
    async with asyncio.timeout(5):
        await closing
