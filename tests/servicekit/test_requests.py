from __future__ import annotations

import pytest

from services.servicekit.errors import InvalidInput
from services.servicekit.requests import each_parsed, only_request


async def test_a_stream_that_ends_early_closes_what_reads_its_messages():
    """At once: gRPC's own reader would hold the last message, of megabytes, until a full garbage collection."""
    closed = []

    async def raws():
        try:
            yield b"first"
            yield b"second"
        finally:
            closed.append("reader")

    requests = each_parsed(None, raws())
    assert await anext(requests) == b"first"
    await requests.aclose()
    assert closed == ["reader"]


async def test_of_several_requests_the_first_is_the_one():
    """The others are not read."""
    read = []

    async def raws():
        for raw in (b"first", b"second"):
            read.append(raw)
            yield raw

    assert await only_request(raws()) == b"first"
    assert read == [b"first"]


async def test_a_call_without_a_request_is_wrong():
    """Whatever of it has come."""

    async def raws():
        for raw in ():
            yield raw

    with pytest.raises(InvalidInput, match="before its request was complete"):
        await only_request(raws())
