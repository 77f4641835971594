from __future__ import annotations

import asyncio
import math

import grpc
import pytest

from services.servicekit.drain import Drain
from services.servicekit.errors import StreamAged
from services.servicekit.term import Term
from tests.fakes.serving import serving, settings_for_tests
from tests.servicekit.echo_service import EchoClient, EchoService


async def endless():
    """Two numbers, and then nothing for ever."""
    yield 1
    yield 2
    await asyncio.Event().wait()


async def test_a_term_ends_what_waits():
    """What came before has passed."""
    with Term(0.05) as term:
        assert [item async for item in Drain().until(endless(), term)] == [1, 2]
    with pytest.raises(StreamAged, match=r"has lasted for 0\.05 s: open another"):
        term.require_not_over()


async def test_a_stream_that_ends_by_itself_is_not_over():
    """Its timer is gone with it."""

    async def one():
        yield 1

    for limit_s in (30.0, math.inf):
        with Term(limit_s) as term:
            assert [item async for item in Drain().until(one(), term)] == [1]
        term.require_not_over()


async def test_a_drain_ends_it_all_the_same():
    """Then the drain says so."""
    drain = Drain()
    asyncio.get_running_loop().call_later(0.05, drain.begin)
    with Term(30.0) as term:
        assert [item async for item in drain.until(endless(), term)] == [1, 2]
    term.require_not_over()


async def test_a_client_is_told_to_open_another_stream_at_once():
    """After the answers to what was read; a call of another kind goes on for as long as it takes."""
    free = asyncio.Event()

    async def answer(text):
        if text == "hold":
            await free.wait()
        return text

    settings = settings_for_tests(connection_age_s=0.1)
    async with serving(EchoService(answer=answer).definition(), settings) as channel:
        client = EchoClient(channel)
        long = asyncio.ensure_future(client.unary("hold"))
        stream = client.stream()
        for text in ("a", "hold"):
            await stream.write(text)
        assert await stream.read() == "a"
        asyncio.get_running_loop().call_later(0.3, free.set)

        assert await stream.read() == "hold"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert ("grpc-retry-pushback-ms", "0") in tuple(caught.value.trailing_metadata())
        assert await long == "hold"
