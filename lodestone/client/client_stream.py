"""Client streams that are sent again until the server's own answer arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

import grpc

from lodestone.client.backoff import Backoff
from lodestone.client.lost_status import is_lost_status

Request = TypeVar("Request")
Answer = TypeVar("Answer")

_TRIES: Final = 6
# A server that refuses is heard between two messages: the race is over writes.
_PACE_S: Final = 0.02


async def send_stream(
    method: Callable[[None], grpc.aio.StreamUnaryCall[Request, Answer]],
    messages: Callable[[], AsyncIterator[Request]],
) -> Answer:
    """Sends a whole stream and returns the answer; for idempotent methods.

    Tries six times within about five seconds while the server is away or its status was lost; after a lost status the
    messages leave more slowly.

    Args:
        method: The stub's method, for example `stub.FitProfile`.
        messages: Makes the messages, once per try; its exceptions cancel the call and are raised.

    Raises:
        grpc.aio.AioRpcError: What the last try ended with.
    """
    backoff = Backoff()
    pace_s = 0.0
    for _ in range(_TRIES - 1):
        try:
            return await _send(method(None), messages(), pace_s)
        except grpc.aio.AioRpcError as error:
            if is_lost_status(error):
                pace_s = _PACE_S
            elif error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(backoff.next_s())
    return await _send(method(None), messages(), pace_s)


async def _send(
    call: grpc.aio.StreamUnaryCall[Request, Answer],
    messages: AsyncIterator[Request],
    pace_s: float,
) -> Answer:
    try:
        async for message in messages:
            if pace_s:
                await asyncio.sleep(pace_s)
            if call.done():
                break
            await call.write(message)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass  # the call is over, and says why below
    except BaseException:
        call.cancel()
        raise
    return await call
