"""MultiplexedStream against real servers that answer late, out of order, badly or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from lodestone.client import Backoff, MessageTooLarge, MultiplexedStream, StreamClosed
from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import embedder_service_pb2_grpc as grpc_stubs
from tests.client.echo_server import answer_to

ECHO_SERVER = Path(__file__).with_name("echo_server.py")


def request(value):
    pixels = {"height_px": value, "width_px": 1, "rgb": bytes(3 * value)}
    return pb.StreamEmbedImagesRequest(image={"pixels": pixels})


def value_of(answer):
    return answer.result.value.values[0]


def new_stream(channel, **options):
    open_stream = grpc_stubs.EmbedderServiceStub(channel).StreamEmbedImages
    return MultiplexedStream(open_stream, backoff=Backoff(initial_s=0.01, max_s=0.05), **options)


class Scripted(grpc_stubs.EmbedderServiceServicer):
    """Plays one script per stream that is opened; the last one again and again.

    A script is an async generator function of (requests, context).
    """

    def __init__(self, *scripts):
        self._scripts = scripts
        self.opened_count = 0

    async def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        script = self._scripts[min(self.opened_count, len(self._scripts) - 1)]
        self.opened_count += 1
        async for answer in script(requests, context):
            yield answer


async def echo(requests, context):
    async for received in requests:
        yield answer_to(received)


def abort_after(count, code, details):
    """A script that reads `count` requests, answers none and ends with `code`."""

    async def script(requests, context):
        for _ in range(count):
            await anext(aiter(requests))
        await context.abort(code, details)
        yield

    return script


async def test_answers_are_matched_by_id_whatever_their_order(serve):
    """Every caller gets the answer to its own request although they come in reverse."""

    async def reverse(requests, context):
        received = [await anext(aiter(requests)) for _ in range(5)]
        for one in reversed(received):
            yield answer_to(one)

    stream = new_stream(await serve(Scripted(reverse)))
    answers = await asyncio.gather(*(stream.call(request(value)) for value in range(1, 6)))
    assert [value_of(answer) for answer in answers] == [1, 2, 3, 4, 5]
    await stream.close()


async def test_a_thousand_calls_keep_to_max_in_flight(serve):
    """1,000 concurrent calls share one stream and are never more than 16 at once on it."""
    unanswered = 0
    most = 0

    async def count(requests, context):
        nonlocal unanswered, most
        waiting = []
        async for received in requests:
            unanswered += 1
            most = max(most, unanswered)
            waiting.append(received)
            if len(waiting) == 8:
                for one in waiting:
                    unanswered -= 1
                    yield answer_to(one)
                waiting.clear()

    servicer = Scripted(count)
    stream = new_stream(await serve(servicer), max_in_flight=16)
    answers = await asyncio.gather(*(stream.call(request(value)) for value in range(1, 1001)))
    assert [value_of(answer) for answer in answers] == list(range(1, 1001))
    assert 8 <= most <= 16
    assert servicer.opened_count == 1
    assert stream.in_flight_count == 0
    await stream.close()


async def test_the_stream_is_opened_by_the_first_call(serve):
    """Making and closing an unused stream never reaches the server."""
    servicer = Scripted(echo)
    stream = new_stream(await serve(servicer))
    await stream.close()
    assert servicer.opened_count == 0


async def test_the_callers_message_is_not_touched(serve):
    """One message may be sent by many callers at once and keeps its id."""
    stream = new_stream(await serve(Scripted(echo)))
    message = request(7)
    message.id = "mine"
    answers = await asyncio.gather(*(stream.call(message) for _ in range(10)))
    assert [value_of(answer) for answer in answers] == [7] * 10
    assert message.id == "mine"
    await stream.close()


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ],
)
async def test_what_passes_is_sent_again(serve, code):
    """A stream that ends with a passing status is opened again and everything in flight is sent again."""
    told = []
    servicer = Scripted(abort_after(3, code, "gone for now"), echo)
    stream = new_stream(await serve(servicer), on_wait=told.append)
    answers = await asyncio.gather(*(stream.call(request(value)) for value in (1, 2, 3)))
    assert [value_of(answer) for answer in answers] == [1, 2, 3]
    assert servicer.opened_count == 2
    assert told == ["gone for now", None]
    assert stream.waiting_for is None
    await stream.close()


async def test_a_stream_that_ends_with_ok_too_early_is_opened_again(serve):
    """OK with requests unanswered counts as broken."""

    async def end(requests, context):
        await anext(aiter(requests))
        return
        yield

    told = []
    stream = new_stream(await serve(Scripted(end, echo)), on_wait=told.append)
    assert value_of(await stream.call(request(4))) == 4
    assert told == ["the server ended the stream before it had answered everything", None]
    await stream.close()


async def test_an_idle_end_disturbs_nobody(serve):
    """The server's idle limit ends a stream that nobody waits on; the next call opens another, silently."""
    ended = asyncio.Event()

    async def answer_one_and_tire(requests, context):
        yield answer_to(await anext(aiter(requests)))
        context.add_done_callback(lambda _: ended.set())
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "nothing moved on this stream")

    told = []
    servicer = Scripted(answer_one_and_tire)
    stream = new_stream(await serve(servicer), on_wait=told.append)
    for value in (1, 2, 3):
        assert value_of(await stream.call(request(value))) == value
        await ended.wait()
        await asyncio.wait_for(stream._running, 10)
        ended.clear()
    assert servicer.opened_count == 3
    assert told == []
    await stream.close()


async def test_other_errors_are_raised_to_every_call_in_flight(serve):
    """FAILED_PRECONDITION reaches each caller as its own exception, and the next call works."""
    servicer = Scripted(
        abort_after(3, grpc.StatusCode.FAILED_PRECONDITION, "another encoder"), echo
    )
    stream = new_stream(await serve(servicer))
    errors = await asyncio.gather(
        *(stream.call(request(value)) for value in (1, 2, 3)), return_exceptions=True
    )
    assert [error.code() for error in errors] == [grpc.StatusCode.FAILED_PRECONDITION] * 3
    assert [error.details() for error in errors] == ["another encoder"] * 3
    assert len({id(error) for error in errors}) == 3
    assert value_of(await stream.call(request(4))) == 4
    assert servicer.opened_count == 2
    await stream.close()


async def test_a_cancelled_call_leaves_nothing_and_its_late_answer_is_ignored(serve):
    """After a cancelled call the stream goes on, although the server still answers it."""
    received_one, go_on = asyncio.Event(), asyncio.Event()

    async def late(requests, context):
        first = await anext(aiter(requests))
        received_one.set()
        await go_on.wait()
        yield answer_to(first)
        async for answer in echo(requests, context):
            yield answer

    servicer = Scripted(late)
    stream = new_stream(await serve(servicer), max_in_flight=1)
    call = asyncio.create_task(stream.call(request(1)))
    await received_one.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert call.cancelled()
    assert stream.in_flight_count == 0
    go_on.set()
    assert value_of(await stream.call(request(2))) == 2
    assert servicer.opened_count == 1
    await stream.close()


async def test_nobody_waiting_ends_the_search_for_the_server():
    """With no server at all a call waits until its own timeout; then nothing is left running."""
    told = []
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        stream = new_stream(channel, on_wait=told.append)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.call(request(1))
        await asyncio.wait_for(stream._running, 10)
        assert len(told) == 2
        assert "refused" in told[0]
        assert told[1] is None
        await stream.close()


async def test_close_ends_waiting_calls(serve):
    """Calls in flight, calls that wait their turn and later calls get StreamClosed."""
    received_one = asyncio.Event()

    async def silent(requests, context):
        async for _ in requests:
            received_one.set()
        yield

    stream = new_stream(await serve(Scripted(silent)), max_in_flight=1)
    calls = [asyncio.create_task(stream.call(request(value))) for value in (1, 2)]
    await received_one.wait()
    await stream.close()
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [StreamClosed, StreamClosed]
    with pytest.raises(StreamClosed):
        await stream.call(request(3))
    await stream.close()


async def test_a_channel_that_is_closed_ends_waiting_calls(serve_at):
    """Nobody waits for ever when the channel goes before the stream; later calls fail too."""
    received_one = asyncio.Event()

    async def silent(requests, context):
        async for _ in requests:
            received_one.set()
        yield

    channel = grpc.aio.insecure_channel(await serve_at(Scripted(silent)))
    stream = new_stream(channel)
    call = asyncio.create_task(stream.call(request(1)))
    await received_one.wait()
    await channel.close()
    with pytest.raises(StreamClosed):
        await asyncio.wait_for(call, 10)
    with pytest.raises(grpc.aio.UsageError):
        await asyncio.wait_for(stream.call(request(2)), 10)


class MadeUpInternal:
    """A stream as grpc.aio leaves it when a write lost the race against the end (grpc/grpc issue 36066)."""

    def __init__(self):
        self._error = grpc.aio.AioRpcError(
            grpc.StatusCode.INTERNAL,
            grpc.aio.Metadata(),
            grpc.aio.Metadata(),
            details="Internal error from Core",
            debug_error_string='Failed "execute_batch": (<SendMessageOperation>,)',
        )
        self._written = asyncio.Event()

    async def write(self, message):
        self._written.set()
        raise self._error

    async def read(self):
        await self._written.wait()
        raise self._error

    def cancel(self):
        return True


async def test_an_internal_error_that_grpc_made_up_passes(serve):
    """A lost race between a write and the end of the stream is tried again, and is no news to anybody."""
    open_real = grpc_stubs.EmbedderServiceStub(await serve(Scripted(echo))).StreamEmbedImages
    streams = iter([MadeUpInternal(), open_real()])
    told = []
    stream = MultiplexedStream(lambda _: next(streams), on_wait=told.append)
    assert value_of(await stream.call(request(5))) == 5
    assert told == []
    await stream.close()


class PickyStream:
    """A stream that refuses to write an image of height 13."""

    def __init__(self, real):
        self._real = real
        self.read, self.cancel = real.read, real.cancel

    async def write(self, message):
        if message.image.pixels.height_px == 13:
            raise ValueError("no thirteen")
        await self._real.write(message)


async def test_what_cannot_be_written_fails_its_own_call_only(serve):
    """An error of one write is raised to its caller; the stream goes on."""
    servicer = Scripted(echo)
    open_real = grpc_stubs.EmbedderServiceStub(await serve(servicer)).StreamEmbedImages
    stream = MultiplexedStream(lambda _: PickyStream(open_real()))
    assert value_of(await stream.call(request(1))) == 1
    with pytest.raises(ValueError, match="no thirteen"):
        await stream.call(request(13))
    assert value_of(await stream.call(request(2))) == 2
    assert servicer.opened_count == 1
    await stream.close()


async def test_what_the_service_does_not_take_fails_its_own_call_only(serve):
    """It is not sent: sent, it would end the stream of all the others."""
    held = asyncio.Event()

    async def echo_later(requests, context):
        async for received in requests:
            await held.wait()
            yield answer_to(received)

    servicer = Scripted(echo_later)
    stream = new_stream(await serve(servicer), max_message_bytes=1_000)
    other = asyncio.create_task(stream.call(request(1)))
    with pytest.raises(MessageTooLarge) as raised:
        await stream.call(request(400))
    held.set()

    assert 1_200 < raised.value.size_bytes < 1_220
    assert raised.value.limit_bytes == 1_000
    assert value_of(await other) == 1
    assert value_of(await stream.call(request(300))) == 300
    assert servicer.opened_count == 1
    await stream.close()


async def test_a_real_internal_error_is_raised(serve):
    """INTERNAL that the server sent is not tried again."""
    script = abort_after(1, grpc.StatusCode.INTERNAL, "internal error 1f3a9c")
    stream = new_stream(await serve(Scripted(script)))
    with pytest.raises(grpc.aio.AioRpcError, match="internal error 1f3a9c"):
        await stream.call(request(1))
    await stream.close()


async def lines_of(log, *, until, count=1):
    """Waits until `log` has `count` lines that begin with `until`, and returns those."""
    async with asyncio.timeout(30):
        while True:
            lines = log.read_text().splitlines() if log.exists() else []
            found = [line for line in lines if line.startswith(until)]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)


async def test_a_server_that_is_killed_and_started_again_loses_nothing(tmp_path):
    """SIGKILL with 20 requests in flight, a restart on the same port: every call gets its answer."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    children = []

    def start(port, log, *options):
        with (tmp_path / "output").open("ab") as output:
            command = [sys.executable, str(ECHO_SERVER), str(port), str(log), *options]
            children.append(
                subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            )

    told = []
    try:
        start(0, tmp_path / "first", "--hold")
        port = int((await lines_of(tmp_path / "first", until="port"))[0].split()[1])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stream = new_stream(channel, on_wait=told.append)
            calls = [asyncio.create_task(stream.call(request(value))) for value in range(1, 21)]
            await lines_of(tmp_path / "first", until="got", count=20)
            children[0].send_signal(signal.SIGKILL)
            await asyncio.to_thread(children[0].wait)
            start(port, tmp_path / "second")
            async with asyncio.timeout(60):
                answers = await asyncio.gather(*calls)
            assert [value_of(answer) for answer in answers] == list(range(1, 21))
            assert len(told) == 2
            assert told[0]
            assert told[1] is None
            await stream.close()
    finally:
        for child in children:
            child.kill()
            child.wait()


async def test_a_stream_that_is_ended_for_its_age_is_opened_again_without_a_word(serve):
    """The server's trailer says that nothing is wrong."""

    async def age(requests, context):
        await anext(aiter(requests))
        trailers = (("grpc-retry-pushback-ms", "0"),)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "open another", trailers)
        yield

    told = []
    servicer = Scripted(age, age, echo)
    stream = new_stream(await serve(servicer), on_wait=told.append)
    assert value_of(await stream.call(request(4))) == 4
    assert servicer.opened_count == 3
    assert told == []
    await stream.close()
