"""How long an answer on a stream may wait for a client that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc

from services.servicekit.errors import IdleStream


class UnreadLimit:
    """Ends one stream from outside: its handler is suspended where it yields, and no timeout of its own runs there.

    Attributes:
        passed: The stream was ended.
    """

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], idle_s: float) -> None:
        self._context = context
        self._idle_s = idle_s
        self._ending: asyncio.Task[None] | None = None
        self.passed = False

    @contextmanager
    def yielding(self) -> Iterator[None]:
        """For the time of one `yield`; after `idle_s` seconds the call ends with DEADLINE_EXCEEDED."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._idle_s, self._end, asyncio.current_task())
        try:
            yield
        finally:
            timer.cancel()

    def _end(self, handler: asyncio.Task[Any] | None) -> None:
        """A status without an end of the handler would be sent when the client reads: the handler would wait for it.

        An end without a status would never reach the client.
        """
        assert handler is not None
        self.passed = True
        loop = asyncio.get_running_loop()
        self._ending = loop.create_task(self._send_status())
        loop.call_soon(handler.cancel)

    async def _send_status(self) -> None:
        message = str(IdleStream(self._idle_s))
        # AbortError always; another one, which grpc.aio keeps to itself, if the client has gone.
        with suppress(Exception):
            await self._context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, message)
