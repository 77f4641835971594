"""Calls that are left before their end, which gRPC would go on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc

Answers = TypeVar("Answers", bound=grpc.aio.RpcContext)


@contextmanager
def ended(call: Answers) -> Iterator[Answers]:
    """Gives the answers of a call, and cancels it unless it is over by then.

    A call and the iterator over its answers hold one another: left alone they would stay, with all that the server has
    begun, until a full garbage collection.
    """
    try:
        yield call
    finally:
        call.cancel()
