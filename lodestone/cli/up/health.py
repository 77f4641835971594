"""Asks a server whether it serves, by grpc.health.v1."""

from __future__ import annotations

from typing import Final

import grpc

from lodestone.client import Transport, connect

_METHOD: Final = "/grpc.health.v1.Health/Check"
# HealthCheckResponse{status: SERVING}; the request, for the whole server, has no bytes at all.
_SERVING: Final = b"\x08\x01"
_TIMEOUT_S: Final = 2.0


class HealthCheck:
    """The health of one address. Needs no stubs: the two messages are three bytes together."""

    def __init__(self, address: str, transport: Transport) -> None:
        self._channel = connect(address, transport=transport)
        self._check = self._channel.unary_unary(
            _METHOD, request_serializer=bytes, response_deserializer=bytes
        )

    async def is_serving(self) -> bool:
        """Whether the server answers SERVING now."""
        try:
            return bool(await self._check(b"", timeout=_TIMEOUT_S) == _SERVING)
        except grpc.aio.AioRpcError:
            return False

    async def close(self) -> None:
        """Ends the connection."""
        await self._channel.close(None)
