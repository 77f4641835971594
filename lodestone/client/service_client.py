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

# Any method would do.
_HEALTH: Final = "/grpc.health.v1.Health/Check"
_WHY_S: Final = 2.0

OnWait = Callable[[str | None], None]


class ServiceUnreachable(Exception):
    """Nobody answers at a service's address, or who does is not believed, or does not believe us.

    Attributes:
        word: The service, for example `crawler`.
        address: Where it should be.
        details: gRPC's words for it; empty if it has none.
    """

    def __init__(self, word: str, address: str, details: str = "") -> None:
        super().__init__(f"no {word} at {address}")
        self.word = word
        self.address = address
        self.details = details


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
                        details = await self._why()
                        raise ServiceUnreachable(self.word, self.address, details)
                    await self.channel.wait_for_state_change(state)
                    state = self.channel.get_state(try_to_connect=True)
        except TimeoutError as error:
            raise ServiceUnreachable(self.word, self.address) from error

    async def _why(self) -> str:
        """What a call meets: a channel's state has no words."""
        async with connect(self.address, transport=self._transport, retries=False) as channel:
            call = channel.unary_unary(
                _HEALTH, request_serializer=bytes, response_deserializer=bytes
            )
            try:
                await call(b"", timeout=_WHY_S)
            except grpc.aio.AioRpcError as error:
                return error.details() or ""
        return ""

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
