from __future__ import annotations

import asyncio
import math

import grpc
import pytest

from services.servicekit.drain import Drain
from services.servicekit.errors import StreamAged, Unavailable
from services.servicekit.term import Term
from tests.fakes.serving import serving, settings_for_tests
from tests.servicekit.echo_service import EagerEchoService, EchoClient, EchoService

AT_ONCE = ("grpc-retry-pushback-ms", "0")


async def endless():
    """Two numbers, and then nothing for ever."""
    yield 1
    yield 2
    await asyncio.Event().wait()


async def test_a_term_ends_what_waits():
    """What came before has passed."""
    drain = Drain()
    with Term(0.05) as term:
        assert [item async for item in drain.until(endless(), term)] == [1, 2]
    assert term.is_cut
    with pytest.raises(StreamAged, match=r"has lasted for 0\.05 s: open another"):
        drain.require_whole(term)


async def one():
    yield 1


async def after(seconds):
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, passed.set)
    await passed.wait()


@pytest.mark.parametrize("limit_s", [0.05, math.inf])
async def test_a_term_that_is_left_has_no_end(limit_s):
    """Its timer is gone with the stream."""
    with Term(limit_s) as term:
        assert [item async for item in Drain().until(one(), term)] == [1]
    await after(0.1)
    assert not term.is_over


@pytest.mark.parametrize("ended_by", ["term", "drain"])
async def test_a_stream_that_was_read_to_its_end_is_whole(ended_by):
    """Whatever ends while its answers are on their way."""
    drain = Drain()
    with Term(0.05) as term:
        assert [item async for item in drain.until(one(), term)] == [1]
        if ended_by == "drain":
            drain.begin()
        else:
            await after(0.1)
            assert term.is_over
    drain.require_whole(term)


async def test_a_drain_ends_it_all_the_same():
    """Then the drain says so."""
    drain = Drain()
    asyncio.get_running_loop().call_later(0.05, drain.begin)
    with Term(30.0) as term:
        assert [item async for item in drain.until(endless(), term)] == [1, 2]
    with pytest.raises(Unavailable, match="shutting down"):
        drain.require_whole(term)


async def test_a_drain_in_the_instant_in_which_the_term_ends():
    """Each would end the same wait."""
    drain = Drain()
    loop = asyncio.get_running_loop()
    with Term(30.0) as term:
        loop.call_later(0.05, lambda: (term._end(), loop.call_soon(drain.begin), drain.begin()))
        assert [item async for item in drain.until(endless(), term)] == [1, 2]
    with pytest.raises(Unavailable):
        drain.require_whole(term)


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
        assert AT_ONCE in tuple(caught.value.trailing_metadata())
        assert await long == "hold"


async def test_a_client_whose_requests_were_all_read_has_its_answers_and_no_error():
    """Also when they take longer than the stream may last: there is nothing to open another for."""
    free = asyncio.Event()

    async def answer(text):
        await free.wait()
        return text

    settings = settings_for_tests(connection_age_s=0.1)
    async with serving(EagerEchoService(answer=answer).definition(), settings) as channel:
        stream = EchoClient(channel).stream(iter(["a"]))
        asyncio.get_running_loop().call_later(0.3, free.set)
        assert [text async for text in stream] == ["a"]


async def test_a_watch_that_can_be_resumed_ends_by_age():
    """It goes on on a connection that is new; another goes on to its end."""
    free = asyncio.Event()

    async def watch(text):
        yield "first"
        await (free if text == "all" else asyncio.Event()).wait()
        yield "last"

    definition = EchoService(watch=watch).definition(resumed=frozenset({"Watch"}))
    async with serving(definition, settings_for_tests(connection_age_s=0.1)) as channel:
        client = EchoClient(channel)
        long, resumed = client.list_texts("all"), client.watch("some")
        assert [await call.read() for call in (long, resumed)] == ["first", "first"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await resumed.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert AT_ONCE in tuple(caught.value.trailing_metadata())
        free.set()
        assert [text async for text in left(long)] == ["last"]


async def left(call):
    while (text := await call.read()) is not grpc.aio.EOF:
        yield text
