"""Answers the messages of a bidi stream concurrently, with bounds on memory and silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from services.servicekit.errors import IdleStream

Request = TypeVar("Request")
Answer = TypeVar("Answer")

_IN_FLIGHT = 64


async def answer_stream(
    requests: AsyncIterable[Request],
    answer: Callable[[Request], Awaitable[Answer]],
    *,
    idle_s: float,
) -> AsyncIterator[Answer]:
    """Yields an answer per request as each is ready, at most 64 at a time.

    A request is read only when there is room for its answer, so a client that does not read is not read either. An
    error of `answer` ends the stream.

    Raises:
        IdleStream: No answer was ready for `idle_s` seconds.
    """
    answers: asyncio.Queue[Awaitable[Answer] | None] = asyncio.Queue()
    room = asyncio.Semaphore(_IN_FLIGHT)
    running: set[asyncio.Task[Answer]] = set()

    def finished(task: asyncio.Task[Answer]) -> None:
        running.discard(task)
        answers.put_nowait(task)

    async def read() -> None:
        async for request in requests:
            await room.acquire()
            task = asyncio.ensure_future(answer(request))
            running.add(task)
            task.add_done_callback(finished)

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: answers.put_nowait(None))
    try:
        while not (reader.done() and not running and answers.empty()):
            ready = await _next(answers, idle_s)
            if ready is None:
                await reader
                continue
            yield await ready
            room.release()
    finally:
        for task in (reader, *running):
            task.cancel()
        await asyncio.gather(reader, *running, return_exceptions=True)


async def _next(
    answers: asyncio.Queue[Awaitable[Answer] | None], idle_s: float
) -> Awaitable[Answer] | None:
    try:
        return await asyncio.wait_for(answers.get(), idle_s)
    except TimeoutError as error:
        raise IdleStream(idle_s) from error
