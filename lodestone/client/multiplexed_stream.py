"""One bidi stream that many callers share and that outlives its server."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import grpc

from lodestone.client.backoff import Backoff
from lodestone.client.lost_status import is_lost_status
from lodestone.client.message_limit import Sized, require_fits
from lodestone.client.pushback import is_told_to_reopen

# What a server that dies, restarts, drains or tires of an idle stream ends the stream with.
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
_ENDED_EARLY = "the server ended the stream before it had answered everything"


class Identified(Sized, Protocol):
    """A message with an id that the server echoes."""

    id: str


Request = TypeVar("Request", bound=Identified)
Answer = TypeVar("Answer", bound=Identified)


class StreamClosed(Exception):
    """The stream, or its channel, was closed while a call waited, or before it was made."""

    def __init__(self) -> None:
        super().__init__("this stream was closed")


@dataclass(frozen=True, slots=True)
class _Call(Generic[Request, Answer]):
    request: Request
    answer: asyncio.Future[Answer]


class MultiplexedStream(Generic[Request, Answer]):
    """Makes a bidi method callable like a unary one: `await stream.call(request)`.

    The stream is opened by the first call. When it breaks because the server is away (UNAVAILABLE), cancelled it, or
    ended it as idle (DEADLINE_EXCEEDED), it is opened again with exponential back-off and everything in flight is sent
    again: the method must be idempotent. That goes on for as long as somebody waits; a caller who does not want to
    wait for ever uses `asyncio.timeout`. A stream that the server ends for its age is opened again at once, and nobody
    is told. Belongs to one event loop.

    Args:
        open_stream: The stub's method, for example `stub.StreamEmbedImages`; called with None for its request iterator.
        max_message_bytes: The largest message that the service takes; None leaves it to the channel, which
            ends the stream.
        max_in_flight: How many requests may be unanswered at once; further calls wait their turn.
        backoff: The delays between tries to open; 0.1 to 2 seconds by default.
        on_wait: Told why when calls begin to wait for the server, and None when it is back or nobody waits any more.
    """

    def __init__(
        self,
        open_stream: Callable[[None], grpc.aio.StreamStreamCall[Request, Answer]],
        *,
        max_message_bytes: int | None = None,
        max_in_flight: int = 64,
        backoff: Backoff | None = None,
        on_wait: Callable[[str | None], None] | None = None,
    ) -> None:
        self._open_stream = open_stream
        self._max_message_bytes = max_message_bytes
        self._room = asyncio.Semaphore(max_in_flight)
        self._backoff = backoff or Backoff()
        self._on_wait = on_wait
        self._ids = itertools.count(1)
        self._in_flight: dict[str, _Call[Request, Answer]] = {}
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None
        self._waiting_for: str | None = None
        self._closed = False

    @property
    def waiting_for(self) -> str | None:
        """Why calls are waiting for the server, one sentence; None while all is well."""
        return self._waiting_for

    @property
    def in_flight_count(self) -> int:
        """How many requests are unanswered; those that wait their turn are not counted."""
        return len(self._in_flight)

    async def call(self, request: Request) -> Answer:
        """Sends a copy of `request` under a fresh id and returns the answer to it.

        A call that is cancelled leaves nothing behind; its late answer is ignored.

        Raises:
            grpc.aio.AioRpcError: The server ended the stream with another status than those that pass; every call in
                flight gets it, and the next call opens a new stream.
            MessageTooLarge: The request has too many bytes; the others on the stream go on.
            StreamClosed: `close` was called, here or on the channel.
        """
        async with self._room:
            if self._closed:
                raise StreamClosed
            own = copy.deepcopy(request)
            own.id = str(next(self._ids))
            if self._max_message_bytes is not None:
                require_fits(own, self._max_message_bytes)
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._in_flight[own.id] = _Call(own, answer)
            self._outbox.put_nowait(own.id)
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._run())
            try:
                return await answer
            finally:
                self._in_flight.pop(own.id, None)

    async def close(self) -> None:
        """Ends the stream; calls that still wait get `StreamClosed`. May be called twice."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._fail_all(StreamClosed())

    async def _run(self) -> None:
        try:
            while self._in_flight:
                broken = await self._exchange()
                if broken is not None and not _passes(broken):
                    self._fail_all(broken)
                elif broken is not None and is_told_to_reopen(broken):
                    continue
                elif self._in_flight:
                    # What the server said is not known after a lost status: the next try tells whether it is away.
                    if broken is None or not is_lost_status(broken):
                        self._set_waiting(_ENDED_EARLY if broken is None else _describe(broken))
                    await asyncio.sleep(self._backoff.next_s())
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may wait for ever
            self._fail_all(error)
        finally:
            self._set_waiting(None)

    async def _exchange(self) -> grpc.aio.AioRpcError | None:
        """One stream's life; returns what broke it, or None if the server ended it with OK."""
        self._outbox = asyncio.Queue()
        for request_id in self._in_flight:
            self._outbox.put_nowait(request_id)
        stream = self._open_stream(None)
        writer = asyncio.create_task(self._write(stream, self._outbox))
        try:
            await self._read(stream)
        except grpc.aio.AioRpcError as error:
            return error
        except asyncio.CancelledError as error:
            # Without a request to cancel this task: the channel was closed under the stream.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise StreamClosed from error
        finally:
            stream.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return None

    async def _write(
        self, stream: grpc.aio.StreamStreamCall[Request, Answer], outbox: asyncio.Queue[str]
    ) -> None:
        while True:
            call = self._in_flight.get(await outbox.get())
            if call is None:
                continue
            try:
                await stream.write(call.request)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # the stream is over, and the reader learns why
            except Exception as error:  # noqa: BLE001 - a message that cannot be sent fails its own call
                self._fail(call, error)

    async def _read(self, stream: grpc.aio.StreamStreamCall[Request, Answer]) -> None:
        while (answer := await _next_answer(stream)) is not None:
            self._backoff.reset()
            self._set_waiting(None)
            call = self._in_flight.pop(answer.id, None)
            if call is not None and not call.answer.done():
                call.answer.set_result(answer)

    def _fail_all(self, error: Exception) -> None:
        for call in list(self._in_flight.values()):
            self._fail(call, _own(error))

    def _fail(self, call: _Call[Request, Answer], error: Exception) -> None:
        self._in_flight.pop(call.request.id, None)
        if not call.answer.done():
            call.answer.set_exception(error)

    def _set_waiting(self, reason: str | None) -> None:
        changed = (reason is None) != (self._waiting_for is None)
        self._waiting_for = reason
        if changed and self._on_wait is not None:
            self._on_wait(reason)


async def _next_answer(stream: grpc.aio.StreamStreamCall[Any, Answer]) -> Answer | None:
    answer: Any = await stream.read()
    return None if answer is grpc.aio.EOF else answer


def _passes(error: grpc.aio.AioRpcError) -> bool:
    return error.code() in _PASSING or is_lost_status(error)


def _own(error: Exception) -> Exception:
    """A copy per caller: one exception raised in many tasks would collect all their tracebacks."""
    return copy.copy(error) if isinstance(error, grpc.aio.AioRpcError) else error


def _describe(error: grpc.aio.AioRpcError) -> str:
    return error.details() or error.code().name
