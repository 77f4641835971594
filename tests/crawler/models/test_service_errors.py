from __future__ import annotations

import grpc
import pytest

from services.crawler.models.service_errors import service_error
from services.servicekit.errors import FailedPrecondition, InvalidInput, Unavailable

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.FAILED_PRECONDITION, FailedPrecondition),
        (Code.PERMISSION_DENIED, FailedPrecondition),
        (Code.UNAUTHENTICATED, FailedPrecondition),
        (Code.INVALID_ARGUMENT, InvalidInput),
        (Code.NOT_FOUND, InvalidInput),
        (Code.UNAVAILABLE, Unavailable),
        (Code.INTERNAL, Unavailable),
    ],
)
def test_each_status_is_an_error_of_ours(code, kind):
    """What may pass is waited for, what a person has to change is not; its first line says what."""
    empty = grpc.aio.Metadata()
    error = grpc.aio.AioRpcError(code, empty, empty, "what is wrong\nand where")

    found = service_error("the embedder", error)

    assert type(found) is kind
    assert str(found).endswith("what is wrong")
