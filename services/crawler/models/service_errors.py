"""What the model services' status codes mean to the crawler."""

from __future__ import annotations

from typing import Final

import grpc

from services.servicekit.errors import (
    FailedPrecondition,
    InvalidInput,
    LodestoneError,
    Unavailable,
)

_STATE: Final = frozenset(
    {
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)


def service_error(dependency: str, error: grpc.aio.AioRpcError) -> LodestoneError:
    """Returns the typed error for a call that failed; what is neither state nor input may pass, so it is Unavailable.

    A crawler that may not call a service is a matter of state: a person has to change it, and until then every listing
    would be fetched again and again.

    Args:
        dependency: The service, for example `the embedder`.
        error: What the call raised.
    """
    details = (error.details() or error.code().name).splitlines()[0]
    if error.code() in _STATE:
        return FailedPrecondition(details)
    if error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
        return InvalidInput(details)
    return Unavailable(dependency, details)
