"""What a server says of when to come again: gRFC A6, "Pushback"."""

from __future__ import annotations

import grpc

_PUSHBACK = "grpc-retry-pushback-ms"


def is_told_to_reopen(error: grpc.aio.AioRpcError) -> bool:
    """Whether nothing is wrong: the server ends a stream that has lasted for long, and has another opened at once."""
    return any(pair == (_PUSHBACK, "0") for pair in error.trailing_metadata() or ())
