from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.servicekit.drain import Drain
from services.servicekit.errors import IdleStream
from services.servicekit.stream_room import StreamRoom
from services.servicekit.streams import answer_stream

IN_FLIGHT = 64


async def settle() -> None:
    """Lets everything run that can run without time passing."""
    for _ in range(300):
        await asyncio.sleep(0)


async def numbers(count: int, *, read: list[int] | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if read is not None:
            read.append(number)
        yield number


async def silence() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 0


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def test_every_request_is_answered_once():
    """More of them than are in flight at a time."""
    answers = [answer async for answer in answer_stream(numbers(500), double, idle_s=5)]

    assert sorted(answers) == [2 * number for number in range(500)]


async def test_a_stream_without_requests_ends():
    """At once, without an answer."""
    assert [answer async for answer in answer_stream(numbers(0), double, idle_s=5)] == []


async def test_answers_come_as_they_are_ready():
    """A slow image holds none of the others up."""
    slow = asyncio.Event()

    async def answer(number: int) -> int:
        if number == 0:
            await slow.wait()
        return number

    answers = []
    async for number in answer_stream(numbers(10), answer, idle_s=5):
        answers.append(number)
        if len(answers) == 9:
            slow.set()

    assert answers[-1] == 0
    assert sorted(answers) == list(range(10))


async def test_at_most_64_are_in_flight():
    """More are not begun, however fast they come."""
    running, most = 0, 0

    async def answer(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(number % 7):
            await asyncio.sleep(0)
        running -= 1
        return number

    assert len([n async for n in answer_stream(numbers(1000), answer, idle_s=5)]) == 1000
    assert most <= IN_FLIGHT


async def test_a_client_that_does_not_read_is_not_read():
    """Each answer that is taken lets one more request in."""
    read: list[int] = []
    async with aclosing(answer_stream(numbers(1000, read=read), double, idle_s=5)) as answers:
        await anext(answers)
        await settle()
        assert len(read) == IN_FLIGHT

        for _ in range(10):
            await anext(answers)
        await settle()
        assert len(read) == IN_FLIGHT + 10


async def test_streams_share_what_they_work_on():
    """All together no more than there are places; each has read one request more, and every one is answered."""
    running, most = 0, 0
    read: list[int] = []
    room = StreamRoom(20, max_bytes=1)
    go = asyncio.Event()

    async def answer(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1
        return number

    async def stream() -> int:
        answers = answer_stream(numbers(100, read=read), answer, idle_s=5, shared_room=room)
        return len([number async for number in answers])

    streams = asyncio.gather(*(stream() for _ in range(8)))
    await settle()
    assert (most, len(read)) == (20, 20 + 8)

    go.set()
    assert await streams == [100] * 8
    assert most == 20


async def test_large_requests_are_fewer():
    """All together no more bytes than there is room for."""
    running, most = 0, 0
    room = StreamRoom(20, max_bytes=100)

    async def answer(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await settle()
        running -= 1
        return number

    async def stream() -> int:
        answers = answer_stream(
            numbers(40), answer, idle_s=5, shared_room=room, size_of=lambda _: 30
        )
        return len([number async for number in answers])

    assert await asyncio.gather(*(stream() for _ in range(4))) == [40] * 4
    assert most == 3


async def test_a_client_that_does_not_read_takes_no_place_from_others():
    """Nor does one that has gone."""
    room = StreamRoom(10, max_bytes=1)
    stalled = answer_stream(numbers(1000), double, idle_s=5, shared_room=room)
    async with aclosing(stalled):
        await anext(stalled)
        await settle()
        others = answer_stream(numbers(100), double, idle_s=5, shared_room=room)
        assert len([answer async for answer in others]) == 100

    answers = answer_stream(numbers(100), double, idle_s=5, shared_room=room)
    assert len([answer async for answer in answers]) == 100


class Message:
    """Can be seen to go."""


async def test_an_idle_stream_holds_no_message():
    """Neither the stream, nor what ends it with the server, keeps the last one until the next comes."""
    sent: list[weakref.ref[Message]] = []

    async def one_and_silence():
        message = Message()
        sent.append(weakref.ref(message))
        yield message
        del message
        await asyncio.Event().wait()

    async def answer(_: Message) -> int:
        return 7

    requests = Drain().until(one_and_silence())
    async with aclosing(answer_stream(requests, answer, idle_s=5)) as answers:
        assert await anext(answers) == 7
        await settle()
        assert sent[0]() is None


async def test_silence_ends_the_stream():
    """After the idle limit, with the number in the sentence."""
    before = asyncio.all_tasks()

    with pytest.raises(IdleStream, match=r"for 0\.05 s"):
        [answer async for answer in answer_stream(silence(), double, idle_s=0.05)]

    assert asyncio.all_tasks() == before


async def test_an_answer_that_hangs_ends_the_stream():
    """Silence is silence, whoever is silent."""

    async def hang(_: int) -> int:
        await asyncio.Event().wait()
        return 0

    with pytest.raises(IdleStream):
        [answer async for answer in answer_stream(numbers(3), hang, idle_s=0.05)]


async def test_an_error_of_an_answer_ends_the_stream():
    """With that error; the others that ran are ended."""
    ended = []

    async def answer(number: int) -> int:
        if number == 3:
            message = "number three"
            raise LookupError(message)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    before = asyncio.all_tasks()
    with pytest.raises(LookupError, match="number three"):
        [number async for number in answer_stream(numbers(5), answer, idle_s=5)]

    assert sorted(ended) == [0, 1, 2, 4]
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_an_error_of_the_requests_ends_the_stream(count):
    """Also when everything before it has been answered."""

    async def broken() -> AsyncIterator[int]:
        async for number in numbers(count):
            yield number
        await settle()
        message = "the connection broke"
        raise ConnectionError(message)

    with pytest.raises(ConnectionError, match="broke"):
        [number async for number in answer_stream(broken(), double, idle_s=5)]


async def test_several_errors_are_one():
    """The first ends the stream; nobody is told of the others, not even the log of asyncio."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts))

    async def fail(number: int) -> int:
        raise LookupError(number)

    with pytest.raises(LookupError):
        [number async for number in answer_stream(numbers(5), fail, idle_s=5)]
    await settle()

    assert complaints == []


async def test_a_cancelled_stream_leaves_no_task():
    """The client has gone."""
    before = asyncio.all_tasks()
    begun = asyncio.Event()

    async def hang(_: int) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    async def consume() -> None:
        async for _ in answer_stream(numbers(5), hang, idle_s=5):
            pass

    consumer = asyncio.create_task(consume())
    await begun.wait()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer

    assert asyncio.all_tasks() == before


async def test_a_closed_stream_leaves_no_task():
    """Closed while an answer waits to be taken."""
    before = asyncio.all_tasks()
    async with aclosing(answer_stream(numbers(1000), double, idle_s=5)) as answers:
        await anext(answers)

    assert asyncio.all_tasks() == before
