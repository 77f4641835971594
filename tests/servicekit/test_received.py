from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import grpc
import psutil
import pytest

from services.servicekit import received as module
from services.servicekit.received import Received
from tests.fakes.serving import serving, settings_for_tests
from tests.servicekit.echo_service import EagerEchoService, EchoClient


class Raws:
    """Messages that come when they are sent; notes what becomes of those who read them."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.noted: list[str] = []

    async def __call__(self):
        try:
            while raw := await self.sent.get():
                if raw == b"error":
                    raise ConnectionError("broke")
                yield raw
        except asyncio.CancelledError:
            self.noted.append("cancelled")
            raise
        finally:
            self.noted.append("closed")


async def test_messages_come_in_their_order():
    """To the last one."""
    raws = Raws()
    for raw in (b"a", b"b", b""):
        raws.sent.put_nowait(raw)
    assert [raw async for raw in Received(raws())] == [b"a", b"b"]


async def test_an_error_of_the_call_passes():
    """It is the reader's to handle."""
    raws = Raws()
    for raw in (b"a", b"error"):
        raws.sent.put_nowait(raw)
    received = Received(raws())
    assert await anext(received) == b"a"
    with pytest.raises(ConnectionError, match="broke"):
        await anext(received)


async def given_up(received):
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(received)


@pytest.mark.parametrize("last", [b"late", b"", b"error"], ids=["a message", "the end", "an error"])
async def test_a_read_that_is_given_up_goes_on(last):
    """Until something comes: then it is closed, and gone."""
    before = asyncio.all_tasks()
    raws = Raws()
    received = Received(raws())
    await given_up(received)
    await received.close()
    [reading] = asyncio.all_tasks() - before
    gc.collect()
    assert raws.noted == []

    raws.sent.put_nowait(last)
    assert await reading == ()
    assert raws.noted == ["closed"]


async def test_a_read_that_is_given_up_is_cancelled_when_nothing_comes(monkeypatch):
    """After a minute; here sooner."""
    monkeypatch.setattr(module, "_GOES_ON_S", 0.02)
    raws = Raws()
    received = Received(raws())
    before = asyncio.all_tasks()
    await given_up(received)
    await received.close()
    await asyncio.wait(asyncio.all_tasks() - before, timeout=5)
    assert raws.noted == ["cancelled", "closed"]


async def test_a_read_that_is_given_up_may_be_waited_for_again():
    """What it brings is not lost."""
    raws = Raws()
    received = Received(raws())
    await given_up(received)
    raws.sent.put_nowait(b"a")
    assert await anext(received) == b"a"


async def test_a_message_that_comes_behind_the_end_of_a_term_leaves_no_memory():
    """While what came before is still computed; of 60 streams, again and again."""
    free, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def answer(_text):
        begun.release()
        await free.wait()
        return ""

    async def end(stream, late):
        with suppress(grpc.aio.AioRpcError):
            while await stream.read() is not grpc.aio.EOF:
                pass
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await late

    async def once(client):
        free.clear()
        streams = [client.stream() for _ in range(60)]
        for stream in streams:
            await stream.write("first")
            await begun.acquire()
        # The terms of all are over by then.
        await asyncio.sleep(0.3)
        late = [asyncio.ensure_future(stream.write("x" * 400_000)) for stream in streams]
        await asyncio.wait(late, timeout=0.3)
        free.set()
        await asyncio.gather(*map(end, streams, late))

    definition = EagerEchoService(answer=answer).definition(max_message_bytes=500_000)
    async with serving(definition, settings_for_tests(connection_age_s=0.2)) as channel:
        client = EchoClient(channel)
        await once(client)
        await once(client)
        before = psutil.Process().memory_info().rss
        for _ in range(3):
            await once(client)
        assert psutil.Process().memory_info().rss - before < 40_000_000
