from __future__ import annotations

import asyncio
import gc
import weakref

import grpc
import pytest
import structlog

from services.servicekit import errors
from services.servicekit.rejection import RejectionCode
from tests.fakes.serving import serving, settings_for_tests
from tests.servicekit.echo_service import FULL_NAME, EchoClient, EchoService

Code = grpc.StatusCode
NO_MESSAGE = b"\xff\xff\xff\xff no message"


def raising(error: BaseException):
    async def answer(_: str) -> str:
        raise error

    return answer


async def status_of(call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def collected(call) -> list[str]:
    return [answer async for answer in call]


async def read_all(call) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


def kinds(client: EchoClient, request) -> dict[str, object]:
    """One call of each kind, as something to await."""
    return {
        "Unary": client.unary(request),
        "Collect": client.collect(iter([request])),
        "Watch": collected(client.watch(request)),
        "Stream": collected(client.stream(iter([request]))),
    }


async def test_good_calls_of_every_kind_pass():
    """The interceptor is not in the way."""

    async def twice(text: str):
        yield text
        yield text

    async with serving(EchoService(watch=twice).definition()) as channel:
        client = EchoClient(channel)

        assert await client.unary("a") == "a"
        assert await client.collect(iter(["a", "b"])) == "ab"
        assert await collected(client.watch("a")) == ["a", "a"]
        assert await collected(client.stream(iter(["a", "b"]))) == ["a", "b"]


ERRORS = [
    (errors.InvalidInput("17 images"), Code.INVALID_ARGUMENT, "17 images"),
    (errors.NotFound("profile", "x"), Code.NOT_FOUND, "there is no profile 'x'"),
    (errors.FailedPrecondition("not now"), Code.FAILED_PRECONDITION, "not now"),
    (
        errors.Overloaded("echo", 9),
        Code.RESOURCE_EXHAUSTED,
        "the echo queue is full (9 items); try again later",
    ),
    (errors.Unavailable("the store", "gone"), Code.UNAVAILABLE, "the store is unavailable: gone"),
    (errors.IdleStream(600), Code.DEADLINE_EXCEEDED, "nothing moved on this stream for 600 s"),
    (
        errors.DeadlinePassed(60),
        Code.DEADLINE_EXCEEDED,
        "this call took longer than the server's limit of 60 s",
    ),
    (errors.ItemRejected(RejectionCode.CORRUPT, "broken"), Code.INVALID_ARGUMENT, "broken"),
]


@pytest.mark.parametrize(
    ("error", "code", "text"), ERRORS, ids=[type(error).__name__ for error, _, _ in ERRORS]
)
async def test_each_error_has_its_code_and_its_sentence(error, code, text):
    """On every kind of call."""

    async def fail(_: str):
        yield "first"
        raise error

    service = EchoService(answer=raising(error), watch=fail)
    async with serving(service.definition()) as channel:
        for call in kinds(EchoClient(channel), "x").values():
            status = await status_of(call)
            assert (status.code(), status.details()) == (code, text)


@pytest.mark.parametrize(
    ("retry_after_s", "pushback"), [(0.2504, "250"), (0.0, "1"), (1e9, "60000"), (None, "-1")]
)
async def test_a_full_queue_says_when_to_try_again(retry_after_s, pushback):
    """In milliseconds, as gRPC's clients read it; where nobody knows, that they are not to try by themselves."""
    error = errors.Overloaded("echo", 9, retry_after_s)
    async with serving(EchoService(answer=raising(error)).definition()) as channel:
        status = await status_of(EchoClient(channel).unary("x"))

    trailers = dict(status.trailing_metadata())
    assert trailers.get("grpc-retry-pushback-ms") == pushback


class Large:
    """Stands for a request of megabytes."""


async def test_a_failed_call_holds_nothing_any_more():
    """Without a garbage collection: nothing brings one about while megabytes come in few objects."""
    held: list[weakref.ref[Large]] = []

    async def answer(_text: str) -> str:
        large = Large()
        held.append(weakref.ref(large))
        message = "no"
        raise errors.InvalidInput(message)

    async with serving(EchoService(answer=answer).definition()) as channel:
        gc.collect()
        gc.disable()
        try:
            status = await status_of(EchoClient(channel).unary("x"))
            assert status.code() is Code.INVALID_ARGUMENT
            [large] = held
            assert large() is None
        finally:
            gc.enable()


async def test_an_unexpected_error_is_an_id_and_nothing_else():
    """The caller gets INTERNAL and the id; the log has the id and the error. No text leaks."""
    service = EchoService(answer=raising(RuntimeError("the secret path /etc/shadow")))
    with structlog.testing.capture_logs() as logs:
        async with serving(service.definition()) as channel:
            status = await status_of(EchoClient(channel).unary("x"))

    [entry] = [entry for entry in logs if entry["event"] == "call_failed"]
    assert status.code() is Code.INTERNAL
    assert status.details() == f"internal error {entry['error_id']}"
    assert len(entry["error_id"]) == 12
    assert entry["method"].endswith("/Unary")
    assert entry["exc_info"][0] is RuntimeError


async def test_an_error_in_a_stream_comes_after_the_answers_before_it():
    """What was answered stays answered."""

    async def answer(text: str) -> str:
        if text == "bad":
            message = "secret"
            raise ValueError(message)
        return text

    async with serving(EchoService(answer=answer).definition()) as channel:
        stream = EchoClient(channel).stream(iter(["a", "b", "bad", "c"]))
        answers = [await stream.read(), await stream.read()]
        status = await status_of(stream.read())

    assert answers == ["a", "b"]
    assert status.code() is Code.INTERNAL
    assert "secret" not in status.details()


@pytest.mark.parametrize("kind", ["Unary", "Collect", "Watch", "Stream"])
async def test_bytes_that_are_no_request_are_a_bad_request(kind):
    """INVALID_ARGUMENT and a sentence; grpc.aio itself says UNKNOWN and the parser's words."""

    async def unreached(_: str):
        yield "unreached"

    async with serving(EchoService(watch=unreached).definition()) as channel:
        client = EchoClient(channel, raw=True)
        calls = {
            "Unary": lambda: client.unary(NO_MESSAGE),
            "Collect": lambda: client.collect(iter([NO_MESSAGE])),
            "Watch": lambda: collected(client.watch(NO_MESSAGE)),
            "Stream": lambda: collected(client.stream(iter([NO_MESSAGE]))),
        }
        status = await status_of(calls[kind]())

    assert status.code() is Code.INVALID_ARGUMENT
    assert status.details() == "the 15 bytes are not a request message of this method"


async def test_the_server_ends_a_unary_call_that_takes_too_long():
    """Also when the client set no deadline; the work is cancelled."""
    cancelled = asyncio.Event()

    async def hang(_: str) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    async with serving(EchoService(answer=hang).definition(unary_deadline_s=0.1)) as channel:
        status = await status_of(EchoClient(channel).unary("x"))
        assert status.code() is Code.DEADLINE_EXCEEDED
        assert status.details() == "this call took longer than the server's limit of 0.1 s"
        assert cancelled.is_set()


@pytest.mark.parametrize("kind", ["Unary", "Watch"])
async def test_a_request_that_does_not_come_has_the_same_time(kind):
    """The call ends although its request is not there yet, and is counted once."""
    definition = EchoService().definition(unary_deadline_s=0.1)
    async with serving(definition) as channel:
        call = channel.stream_stream(f"/{FULL_NAME}/{kind}")()
        assert await call.code() is Code.DEADLINE_EXCEEDED
        assert await call.details() == "this call took longer than the server's limit of 0.1 s"
    labels = {"method": kind, "code": "DEADLINE_EXCEEDED"}
    assert definition.registry.get_sample_value("lodestone_echo_calls_total", labels) == 1


async def test_a_timeout_of_our_own_is_not_the_callers_deadline():
    """A TimeoutError from anywhere else is as unexpected as any other error."""
    with structlog.testing.capture_logs():
        async with serving(EchoService(answer=raising(TimeoutError())).definition()) as channel:
            status = await status_of(EchoClient(channel).unary("x"))

    assert status.code() is Code.INTERNAL


@pytest.mark.parametrize("kind", ["unary", "watch", "stream"])
async def test_a_client_that_goes_ends_the_work(kind):
    """Its deadline passes or it cancels: the handler is cancelled in either case."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(_: str) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    async def watch(text: str):
        yield await hang(text)

    async with serving(EchoService(answer=hang, watch=watch).definition()) as channel:
        method = getattr(EchoClient(channel), kind)
        call = method(iter(["x"])) if kind == "stream" else method("x")
        waiting = asyncio.ensure_future(call if kind == "unary" else collected(call))
        await begun.wait()
        call.cancel()
        async with asyncio.timeout(30):
            await ended.wait()
        await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("timeout_s", [0.05, 1.2345, None])
@pytest.mark.parametrize("kind", ["Unary", "Watch", "Stream"])
async def test_a_deadline_that_passes_is_counted_as_such(kind, timeout_s):
    """Also where gRPC has rounded it up; a client that cancels, with time left, is another matter."""
    begun = asyncio.Event()

    async def hang(_: str) -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    async def watch(text: str):
        yield await hang(text)

    definition = EchoService(answer=hang, watch=watch).definition()
    async with serving(definition) as channel:
        method = getattr(EchoClient(channel), kind.lower())
        request = iter(["x"]) if kind == "Stream" else "x"
        call = method(request, timeout=timeout_s or 60)
        await begun.wait()
        if timeout_s is None:
            call.cancel()
        code = "CANCELLED" if timeout_s is None else "DEADLINE_EXCEEDED"
        assert (await call.code()).name == code
        labels = {"method": kind, "code": code}
        async with asyncio.timeout(30):
            while not definition.registry.get_sample_value("lodestone_echo_calls_total", labels):
                await asyncio.sleep(0.005)


async def test_a_client_that_stops_reading_and_goes_ends_the_stream():
    """The handler is closed although it waits for the client, not for itself."""
    ended = asyncio.Event()

    async def endless(_: str):
        try:
            while True:
                yield "x" * 4_000
        finally:
            ended.set()

    async with serving(EchoService(watch=endless).definition()) as channel:
        call = EchoClient(channel).watch("go")
        assert len(await call.read()) == 4_000
        call.cancel()
        async with asyncio.timeout(30):
            await ended.wait()


@pytest.mark.parametrize("kind", ["Watch", "Stream"])
async def test_a_client_that_does_not_read_is_ended_by_the_idle_limit(kind):
    """The handler at once; the client learns it with its next reads, after what was sent before."""
    ended = asyncio.Event()

    async def endless(_: str):
        try:
            while True:
                yield "x" * 400_000
        finally:
            ended.set()

    async def answer(_: str) -> str:
        return "x" * 400_000

    definition = EchoService(watch=endless, answer=answer).definition(max_message_bytes=500_000)
    async with serving(definition, settings_for_tests(stream_idle_s=0.2)) as channel:
        client = EchoClient(channel)
        call = client.watch("go") if kind == "Watch" else client.stream(["go"] * 200)
        assert len(await call.read()) == 400_000
        labels = {"method": kind, "code": "DEADLINE_EXCEEDED"}
        async with asyncio.timeout(30):
            while not definition.registry.get_sample_value("lodestone_echo_calls_total", labels):
                await asyncio.sleep(0.005)
            if kind == "Watch":
                await ended.wait()
            status = await status_of(read_all(call))

    assert status.code() is Code.DEADLINE_EXCEEDED
    assert status.details() == "nothing moved on this stream for 0.2 s"


async def test_a_client_that_reads_slowly_is_not_idle():
    """Each answer that is read begins the time anew."""

    async def many(_: str):
        for _ in range(200):
            yield "x" * 4_000

    definition = EchoService(watch=many).definition()
    async with serving(definition, settings_for_tests(stream_idle_s=1)) as channel:
        call = EchoClient(channel).watch("go")
        count = 0
        while await call.read() is not grpc.aio.EOF:
            count += 1
            await asyncio.sleep(0.01)

    assert count == 200


async def test_a_long_message_is_cut():
    """Status messages are metadata: one with 1 MB of the caller's own text would break the call."""
    error = errors.NotFound("profile", "x" * 1_000_000)
    async with serving(EchoService(answer=raising(error)).definition()) as channel:
        status = await status_of(EchoClient(channel).unary("x"))

    assert status.code() is Code.NOT_FOUND
    assert len(status.details()) == 1_000


async def test_calls_are_counted_by_method_and_code():
    """Each call once, with its seconds."""

    async def answer(text: str) -> str:
        if text == "bad":
            message = "bad"
            raise errors.InvalidInput(message)
        return text

    definition = EchoService(answer=answer).definition()
    async with serving(definition) as channel:
        client = EchoClient(channel)
        await client.unary("a")
        await client.unary("b")
        await status_of(client.unary("bad"))
        await collected(client.stream(iter(["a"])))

    def value(name: str, **labels: str) -> float | None:
        return definition.registry.get_sample_value(f"lodestone_echo_{name}", labels)

    assert value("calls_total", method="Unary", code="OK") == 2
    assert value("calls_total", method="Unary", code="INVALID_ARGUMENT") == 1
    assert value("calls_total", method="Stream", code="OK") == 1
    assert value("call_seconds_count", method="Unary") == 3
