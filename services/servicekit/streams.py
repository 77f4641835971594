"""Answers the messages of a bidi stream concurrently, with bounds on memory and silence."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

from services.servicekit.errors import IdleStream
from services.servicekit.stream_room import StreamRoom

Request = TypeVar("Request")
Answer = TypeVar("Answer")

_IN_FLIGHT = 64


async def answer_stream(
    requests: AsyncIterable[Request],
    answer: Callable[[Request], Awaitable[Answer]],
    *,
    idle_s: float,
    shared_room: StreamRoom | None = None,
    size_of: Callable[[Request], int] = lambda _: 0,
) -> AsyncIterator[Answer]:
    """Yields an answer per request as each is ready, at most 64 at a time.

    A request is read only when there is room for its answer, so a client that does not read is not read either. An
    error of `answer` ends the stream. Streams with the same `shared_room` work on no more requests than that has
    places, and bytes as `size_of` says, all together, and get them in turn; each holds one more that it has read.

    Raises:
        IdleStream: No answer was ready for `idle_s` seconds.
        Unavailable: Too many bytes wait for the shared room.
    """
    # The finished tasks in their order; None when there are no more requests.
    finished: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()
    room = asyncio.Semaphore(_IN_FLIGHT)
    unanswered: set[asyncio.Task[Answer]] = set()

    async def read() -> None:
        await room.acquire()
        async for request in requests:
            size_bytes = size_of(request)
            if shared_room is not None:
                await shared_room.enter(size_bytes)
            task = asyncio.ensure_future(answer(request))
            unanswered.add(task)
            if shared_room is not None:
                task.add_done_callback(partial(_leave, shared_room, size_bytes))
            task.add_done_callback(finished.put_nowait)
            # A stream that is idle from now on holds no message.
            del request, task
            await room.acquire()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: finished.put_nowait(None))
    all_read = False
    try:
        while not all_read or unanswered:
            task = await _next(finished, idle_s)
            if task is None:
                all_read = True
                await reader
                continue
            unanswered.discard(task)
            yield task.result()
            room.release()
    finally:
        for running in (reader, *unanswered):
            running.cancel()
        for ended in await asyncio.gather(reader, *unanswered, return_exceptions=True):
            # Their frames hold requests, in cycles that wait for a full garbage collection: few objects, many bytes.
            if isinstance(ended, BaseException):
                traceback.clear_frames(ended.__traceback__)


def _leave(room: StreamRoom, size_bytes: int, _: asyncio.Future[Answer]) -> None:
    room.leave(size_bytes)


async def _next(
    finished: asyncio.Queue[asyncio.Task[Answer] | None], idle_s: float
) -> asyncio.Task[Answer] | None:
    if not finished.empty():
        return finished.get_nowait()
    try:
        async with asyncio.timeout(idle_s):
            return await finished.get()
    except TimeoutError as error:
        raise IdleStream(idle_s) from error
