"""Streams of answers that are opened again where they ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import grpc

from lodestone.client.backoff import Backoff
from lodestone.client.pushback import is_told_to_reopen

_AWAY: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


class Reopening:
    """When to open such a stream again.

    Args:
        tell: Told why it has to wait, and None when it does not any more.
    """

    def __init__(self, tell: Callable[[str | None], None]) -> None:
        self._tell = tell
        self._backoff = Backoff()
        self._came = False

    def came(self) -> None:
        """Something came: the server is there."""
        self._came = True
        self._backoff.reset()
        self._tell(None)

    async def wait_after(self, error: grpc.aio.AioRpcError) -> None:
        """Returns when to open it again after an error.

        For a stream that had its time, and brought something, that is at once, and nobody is told.

        Raises:
            grpc.aio.AioRpcError: The same, if another stream would not do better.
        """
        if error.code() not in _AWAY:
            raise error
        if is_told_to_reopen(error) and self._came:
            self._came = False
            return
        await self.wait(error.details() or error.code().name)

    async def wait(self, reason: str) -> None:
        """Returns when to open it again after an end that came too early."""
        self._came = False
        self._tell(reason)
        await asyncio.sleep(self._backoff.next_s())
