"""The messages of a call, read one by one; a read that has begun goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Final

# What was begun is computed by then. A client that does not read keeps a call from ending, and with it such a read.
_GOES_ON_S: Final = 60.0


class Received:
    """An iterator over the messages of a call, as bytes.

    A read goes on when whoever waits for it is cancelled, until a message has come or the call ends: only at the end of
    its read does grpc.aio take a message out of gRPC's memory, which would keep it for as long as the process lives.
    What comes after `close` is dropped, and a minute after it nothing is waited for any more.

    Args:
        raws: gRPC's iterator.
    """

    def __init__(self, raws: AsyncIterable[bytes]) -> None:
        self._iterator = aiter(raws)
        self._reading: asyncio.Task[tuple[bytes] | tuple[()]] | None = None
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        reading = self._reading
        try:
            found = await asyncio.shield(reading)
        finally:
            if reading.done():
                self._reading = None
            del reading
        if not found:
            raise StopAsyncIteration
        return found[0]

    async def close(self) -> None:
        """Lets go of the last message: gRPC's iterator keeps it until a full garbage collection."""
        self._is_closed = True
        if self._reading is None:
            await self._close_iterator()
            return
        end = asyncio.get_running_loop().call_later(_GOES_ON_S, self._reading.cancel)
        self._reading.add_done_callback(lambda _: end.cancel())

    async def _read(self) -> tuple[bytes] | tuple[()]:
        """Nothing after the last message."""
        try:
            raw = await anext(self._iterator)
        except StopAsyncIteration:
            return ()
        except Exception:
            # How the call has ended, which nobody waits for any more.
            if self._is_closed:
                return ()
            raise
        if self._is_closed:
            await self._close_iterator()
            return ()
        return (raw,)

    async def _close_iterator(self) -> None:
        if isinstance(self._iterator, AsyncGenerator):
            await self._iterator.aclose()
