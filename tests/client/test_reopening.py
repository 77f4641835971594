from __future__ import annotations

import grpc
import pytest
from grpc.aio import Metadata

from lodestone.client import reopening
from lodestone.client.reopening import Reopening


@pytest.fixture
def told():
    return []


@pytest.fixture
def slept(monkeypatch):
    """The seconds of each wait, none of which passes."""
    seconds = []

    async def sleep(delay_s):
        seconds.append(delay_s)

    monkeypatch.setattr(reopening.asyncio, "sleep", sleep)
    return seconds


def error(code, *trailers):
    return grpc.aio.AioRpcError(code, Metadata(), Metadata(*trailers), details="in words")


AGED = error(grpc.StatusCode.UNAVAILABLE, ("grpc-retry-pushback-ms", "0"))


async def test_a_stream_that_had_its_time_is_opened_again_at_once(told, slept):
    """And nobody is told; one that brought nothing would be opened again and again."""
    again = Reopening(told.append)
    again.came()
    await again.wait_after(AGED)
    assert (told, slept) == ([None], [])
    await again.wait_after(AGED)
    assert told == [None, "in words"]
    assert len(slept) == 1


async def test_a_server_that_is_away_is_waited_for(told, slept):
    """Ever longer, until something comes."""
    again = Reopening(told.append)
    for code in ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"):
        await again.wait_after(error(grpc.StatusCode[code]))
    await again.wait("it ended early")
    assert told == ["in words"] * 3 + ["it ended early"]
    assert slept == sorted(slept)
    assert slept[-1] > 0.4
    again.came()
    await again.wait("it ended early")
    assert slept[-1] <= 0.1


async def test_another_error_is_raised(told, slept):
    """A new stream would meet it, too."""
    with pytest.raises(grpc.aio.AioRpcError):
        await Reopening(told.append).wait_after(error(grpc.StatusCode.NOT_FOUND))
    assert (told, slept) == ([], [])
