"""What the four clients share: a channel that is theirs, and streams to close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import grpc

from lodestone.client.channel import connect
from lodestone.client.multiplexed_stream import MultiplexedStream
from lodestone.client.transport import PLAINTEXT, Transport

UNARY_TIMEOUT_S: Final = 60.0

OnWait = Callable[[str | None], None]


class ServiceUnreachable(Exception):
    """Nobody answers at a service's address.

    Attributes:
        word: The service, for example `crawler`.
        address: Where it should be.
    """

    def __init__(self, word: str, address: str) -> None:
        super().__init__(f"no {word} at {address}")
        self.word = word
        self.address = address


class ServiceClient:
    """A client of one service; an async context manager. Belongs to one event loop.

    Attributes:
        word: The service's one word.
        max_message_bytes: The largest message that it takes.
        address: Its `host:port`.
        channel: The channel, for stubs of one's own.

    Raises:
        BadTlsFiles: The files of the transport are no good.
        BadToken: Its token is not.
    """

    word: ClassVar[str]
    max_message_bytes: ClassVar[int]

    def __init__(self, address: str, *, transport: Transport = PLAINTEXT) -> None:
        self.address = address
        self._transport = transport
        self.channel: grpc.aio.Channel = connect(
            address, transport=transport, max_message_bytes=self.max_message_bytes
        )
        self._streams: list[MultiplexedStream[Any, Any]] = []

    async def require_reachable(self, *, timeout_s: float = 15.0) -> None:
        """Connects, for a clear error before any work is done; says nothing about readiness.

        Raises:
            ServiceUnreachable: There was no connection at the first try, or within `timeout_s` seconds.
        """
        try:
            async with asyncio.timeout(timeout_s):
                state = self.channel.get_state(try_to_connect=True)
                while state is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        raise ServiceUnreachable(self.word, self.address)
                    await self.channel.wait_for_state_change(state)
                    state = self.channel.get_state(try_to_connect=True)
        except TimeoutError as error:
            raise ServiceUnreachable(self.word, self.address) from error

    async def close(self) -> None:
        """Ends the streams and the channel; may be called twice."""
        for stream in self._streams:
            await stream.close()
        await self.channel.close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
