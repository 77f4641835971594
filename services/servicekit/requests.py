"""Reads what a call sends: bytes, as grpc.aio would answer those that are no request with the parser's own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from google.protobuf.message import DecodeError

from services.servicekit.errors import DeadlinePassed, IdleStream, InvalidInput
from services.servicekit.received import Received

Parse = Callable[[Any], Any]


def parsed(parse: Parse | None, raw: bytes) -> Any:
    """The request message.

    Raises:
        InvalidInput: The bytes are none.
    """
    try:
        return parse(raw) if parse else raw
    except DecodeError as error:
        message = f"the {len(raw):,} bytes are not a request message of this method"
        raise InvalidInput(message) from error


async def each_parsed(
    parse: Parse | None, raws: AsyncIterable[bytes], *, idle_s: float | None = None
) -> AsyncIterator[Any]:
    """The request messages of a stream.

    Raises:
        InvalidInput: The bytes of one are none.
        IdleStream: One did not come within `idle_s` seconds.
    """
    received = Received(raws)
    try:
        while True:
            try:
                async with asyncio.timeout(idle_s):
                    raw = await anext(received)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise IdleStream(idle_s or 0.0) from error
            message = parsed(parse, raw)
            # An image of 32 MB would be there twice while it waits, and as long as the stream is idle afterwards.
            del raw
            yield message
            del message
    finally:
        await received.close()


async def only_request(raws: AsyncIterable[bytes]) -> bytes:
    """The bytes of the one request of a call; what comes after it is not read.

    Raises:
        InvalidInput: The call has ended before it was complete.
    """
    received = Received(raws)
    try:
        async for raw in received:
            return raw
    finally:
        await received.close()
    raise InvalidInput("the call ended before its request was complete")


async def only_request_within(limit_s: float, raws: AsyncIterable[bytes]) -> bytes:
    """The same, if it comes in time.

    Raises:
        InvalidInput: The call has ended before it was complete.
        DeadlinePassed: It has not come within `limit_s` seconds.
    """
    try:
        async with asyncio.timeout(limit_s):
            return await only_request(raws)
    except TimeoutError as error:
        raise DeadlinePassed(limit_s) from error
