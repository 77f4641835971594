from __future__ import annotations

import asyncio
import gc
import math
import weakref
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.servicekit.drain import Drain
from services.servicekit.errors import Unavailable
from services.servicekit.streams import answer_stream
from services.servicekit.term import Term


class Events:
    """Yields three numbers and then waits for ever; notes its end."""

    def __init__(self) -> None:
        self.ended = False

    async def __call__(self) -> AsyncIterator[int]:
        try:
            for number in range(3):
                yield number
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def test_without_a_drain_everything_passes():
    """And nothing is refused."""

    async def three() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    drain = Drain()

    term = Term(math.inf)
    assert [item async for item in drain.until(three(), term)] == [0, 1, 2]
    drain.require_whole(term)


async def test_a_drain_ends_what_waits():
    """What came before it has passed, and the source is closed."""
    drain, events = Drain(), Events()
    before = asyncio.all_tasks()

    passed = []
    term = Term(math.inf)
    async for item in drain.until(events(), term):
        passed.append(item)
        if item == 2:
            asyncio.get_running_loop().call_soon(drain.begin)

    assert passed == [0, 1, 2]
    assert events.ended
    assert asyncio.all_tasks() == before
    with pytest.raises(Unavailable, match="shutting down"):
        drain.require_whole(term)


async def test_an_error_of_the_source_passes():
    """It is the caller's to handle."""

    async def broken() -> AsyncIterator[int]:
        yield 0
        message = "broke"
        raise ConnectionError(message)

    with pytest.raises(ConnectionError, match="broke"):
        [item async for item in Drain().until(broken())]


async def test_cancelled_while_it_waits_it_leaves_no_task():
    """The wait for the next item ends with whoever wanted it."""
    drain, events = Drain(), Events()
    before = asyncio.all_tasks()
    waiting = asyncio.Event()

    async def consume() -> None:
        async for item in drain.until(events()):
            if item == 2:
                waiting.set()

    consumer = asyncio.create_task(consume())
    await waiting.wait()
    await asyncio.sleep(0)
    consumer.cancel()
    await asyncio.gather(consumer, return_exceptions=True)

    assert consumer.cancelled()
    assert asyncio.all_tasks() == before
    assert events.ended


async def test_closed_early_it_closes_the_source():
    """The consumer has enough."""
    events = Events()
    async with aclosing(Drain().until(events())) as items:
        assert await anext(items) == 0

    assert events.ended


async def test_work_that_ends_by_itself_is_awaited():
    """With its result, or its error if it has one."""
    drain = Drain()

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    async def broken() -> None:
        message = "broke"
        raise ConnectionError(message)

    before = asyncio.all_tasks()
    assert await drain.run(work()) == "done"
    with pytest.raises(ConnectionError, match="broke"):
        await drain.run(broken())

    assert asyncio.all_tasks() == before


async def test_work_without_an_end_is_cancelled_by_the_drain():
    """Its caller is told to go elsewhere; whoever waits for it may cancel it too."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    drain = Drain()
    cancelled = asyncio.create_task(drain.run(work()))
    drained = asyncio.create_task(drain.run(work()))
    await asyncio.sleep(0)
    cancelled.cancel()
    drain.begin()
    await asyncio.gather(cancelled, drained, return_exceptions=True)

    assert cancelled.cancelled()
    assert isinstance(drained.exception(), Unavailable)
    assert ended == [True, True]


class Large:
    """Like an image: few objects, many bytes."""


async def test_a_cancelled_stream_holds_nothing_any_more():
    """Without a garbage collection: what was in flight goes with it."""
    held = []
    asked = asyncio.Event()

    async def requests() -> AsyncIterator[int]:
        yield 0
        asked.set()
        await asyncio.Event().wait()

    async def answer(_number: int) -> int:
        large = Large()
        held.append(weakref.ref(large))
        await asyncio.Event().wait()
        return id(large)

    async def serve() -> None:
        answers = answer_stream(Drain().until(requests()), answer, idle_s=60)
        async with aclosing(answers):
            async for _ in answers:
                pass

    gc.collect()
    gc.disable()
    try:
        serving = asyncio.create_task(serve())
        await asked.wait()
        serving.cancel()
        await asyncio.wait([serving])
        del serving
        await asyncio.sleep(0)
        assert [large() for large in held] == [None]
    finally:
        gc.enable()
