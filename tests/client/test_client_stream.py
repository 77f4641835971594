"""Client streams that are sent again."""

from __future__ import annotations

import grpc
import pytest

from lodestone.client.client_stream import send_stream
from lodestone.client.lost_status import is_lost_status
from lodestone.client.novelty import NoveltyClient
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1.novelty_service_pb2_grpc import (
    NoveltyServiceServicer,
    add_NoveltyServiceServicer_to_server,
)


def rpc_error(code, debug=""):
    metadata = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, metadata, metadata, details="x", debug_error_string=debug)


LOST = rpc_error(grpc.StatusCode.INTERNAL, 'Failed "execute_batch": (<SendMessageOperation>,)')
AWAY = rpc_error(grpc.StatusCode.UNAVAILABLE)
WRONG = rpc_error(grpc.StatusCode.INVALID_ARGUMENT)


def test_only_what_grpc_made_up_is_a_lost_status():
    """INTERNAL of the server, and other statuses, are real."""
    assert is_lost_status(LOST)
    assert not is_lost_status(rpc_error(grpc.StatusCode.INTERNAL, "from the server"))
    assert not is_lost_status(WRONG)


class FakeCall:
    """A client stream that ends with an answer or an error; notes what was written."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.written = []
        self.cancelled = False

    def done(self):
        return False

    async def write(self, message):
        self.written.append(message)

    async def done_writing(self):
        pass

    def cancel(self):
        self.cancelled = True

    def __await__(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome
        yield


async def one_and_two():
    yield 1
    yield 2


async def test_passing_errors_are_tried_again_with_all_messages():
    """A lost status and UNAVAILABLE, then the answer; every try sends everything."""
    calls = [FakeCall(LOST), FakeCall(AWAY), FakeCall("answer")]
    upcoming = iter(calls)
    assert await send_stream(lambda _: next(upcoming), one_and_two) == "answer"
    assert [call.written for call in calls] == [[1, 2]] * 3


async def test_a_real_error_is_raised_at_once():
    """INVALID_ARGUMENT is the answer."""
    upcoming = iter([FakeCall(WRONG)])
    with pytest.raises(grpc.aio.AioRpcError):
        await send_stream(lambda _: next(upcoming), one_and_two)
    assert list(upcoming) == []


async def test_an_error_of_the_messages_cancels_the_call():
    """What goes wrong while messages are made is raised, and the server is told."""

    async def broken():
        yield 1
        raise ValueError("no more")

    call = FakeCall("answer")
    with pytest.raises(ValueError, match="no more"):
        await send_stream(lambda _: call, broken)
    assert call.cancelled


class Refusing(NoveltyServiceServicer):
    """Ends every fit after its second message, while the client still writes."""

    async def FitProfile(self, requests, context):  # noqa: N802 - the contract's name
        stream = aiter(requests)
        await anext(stream)
        await anext(stream)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "embedding 3 is not finite")


async def test_the_servers_sentence_comes_through_a_stream_that_it_cut():
    """Megabytes on their way when the server says no: its status arrives, whatever grpc.aio makes of the race."""
    server = grpc.aio.server()
    add_NoveltyServiceServicer_to_server(Refusing(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    liked = [Embedding(values=[0.5] * 1280)] * 4096
    async with NoveltyClient(f"127.0.0.1:{port}") as novelty:
        with pytest.raises(grpc.aio.AioRpcError, match="embedding 3 is not finite"):
            await novelty.fit_profile(pb.FitOptions(request_id="1", name="a"), liked)
    await server.stop(None)
