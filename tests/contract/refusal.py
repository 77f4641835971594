"""How a call was refused."""

from __future__ import annotations

import grpc
import pytest


async def refusal(call):
    """The status code and the details."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()
