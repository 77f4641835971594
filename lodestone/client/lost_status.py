"""The status that grpc.aio makes up when it loses the real one."""

from __future__ import annotations

import grpc


def is_lost_status(error: grpc.aio.AioRpcError) -> bool:
    """Whether grpc.aio made this status up.

    A write on a stream that is just ending can win the race against the stream's real status; the call then ends with
    INTERNAL, whatever the server said (grpc/grpc issue 36066). Trying again brings the real one to light.
    """
    made_up = "execute_batch" in (error.debug_error_string() or "")
    return made_up and error.code() is grpc.StatusCode.INTERNAL
