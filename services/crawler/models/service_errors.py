"""What the model services' status codes mean to the crawler."""

from __future__ import annotations

import grpc

from services.servicekit.errors import (
    FailedPrecondition,
    InvalidInput,
    LodestoneError,
    Unavailable,
)


def service_error(dependency: str, error: grpc.aio.AioRpcError) -> LodestoneError:
    """Returns the typed error for a call that failed; what is neither state nor input may pass, so it is Unavailable.

    Args:
        dependency: The service, for example `the embedder`.
        error: What the call raised.
    """
    details = (error.details() or error.code().name).splitlines()[0]
    if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
        return FailedPrecondition(details)
    if error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
        return InvalidInput(details)
    return Unavailable(dependency, details)
