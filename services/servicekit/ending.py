"""How a call ends: errors become status codes in one place."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

import grpc
import structlog

from services.servicekit import errors

_CODES: Final[tuple[tuple[type[errors.LodestoneError], grpc.StatusCode], ...]] = (
    (errors.InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.ItemRejected, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.FailedPrecondition, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.Broken, grpc.StatusCode.UNAVAILABLE),
    (errors.StreamAged, grpc.StatusCode.UNAVAILABLE),
    (errors.IdleStream, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.DeadlinePassed, grpc.StatusCode.DEADLINE_EXCEEDED),
)

# Status messages travel as metadata, which has a limit of its own.
_MESSAGE_MAX_CHARS: Final = 1_000

_PUSHBACK_MAX_MS: Final = 60_000


@dataclass(slots=True)
class Ending:
    """How a call ends: well, unless an error is noted.

    grpc.aio keeps the error that ends a call in a cycle (call, AbortError, traceback) until a full garbage collection,
    and few objects of many bytes bring none about. So the call is aborted where the first error, and with it the frames
    that hold the request, are gone.
    """

    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    trailers: tuple[tuple[str, str], ...] = ()

    def note(self, error: Exception, method: str) -> None:
        """Takes the status of an error; one that nobody expected is logged, and told by an id alone."""
        self.code, self.message = _status(error, method)
        self.trailers = _pushback(error)

    async def abort(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Ends a call that has failed; leaves others as they are."""
        if self.code is not grpc.StatusCode.OK:
            await context.abort(self.code, self.message, self.trailers)


def _pushback(error: Exception) -> tuple[tuple[str, str], ...]:
    """When a client may try again: gRPC's own clients obey (gRFC A6, "Pushback"); 0 is at once, -1 is never."""
    if isinstance(error, errors.StreamAged):
        return (("grpc-retry-pushback-ms", "0"),)
    if not isinstance(error, errors.Overloaded):
        return ()
    if error.retry_after_s is None:
        return (("grpc-retry-pushback-ms", "-1"),)
    milliseconds = min(max(round(error.retry_after_s * 1000), 1), _PUSHBACK_MAX_MS)
    return (("grpc-retry-pushback-ms", str(milliseconds)),)


def _status(error: Exception, method: str) -> tuple[grpc.StatusCode, str]:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code, str(error)[:_MESSAGE_MAX_CHARS]
    error_id = uuid.uuid4().hex[:12]
    structlog.get_logger().error(
        "call_failed",
        method=method,
        error_id=error_id,
        exc_info=(type(error), error, error.__traceback__),
    )
    return grpc.StatusCode.INTERNAL, f"internal error {error_id}"
