"""Client streams that are sent again until the server's own answer arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, TypeVar

import grpc

from lodestone.client.backoff import Backoff
from lodestone.client.lost_status import is_lost_status

Answer = TypeVar("Answer")

_TRIES: Final = 6


async def send_stream(
    method: Callable[[Any], grpc.aio.StreamUnaryCall[Any, Answer]],
    messages: Callable[[], Iterator[Any] | AsyncIterator[Any]],
) -> Answer:
    """Sends a whole stream and returns the answer; for idempotent methods.

    Tries six times within about five seconds while the server is away or its status was lost. `messages` is called
    once per try.

    Raises:
        grpc.aio.AioRpcError: What the last try ended with.
    """
    backoff = Backoff()
    for _ in range(_TRIES - 1):
        try:
            return await method(messages())
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE and not is_lost_status(error):
                raise
            await asyncio.sleep(backoff.next_s())
    return await method(messages())
