"""Requests that no client of ours sends, to each of the four services; `docs/security.md` has the table.

The numbers are those of the project's list of hostile requests.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
from contextlib import AsyncExitStack, suppress

import grpc
import psutil
import pytest
import pytest_asyncio
import structlog
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.internal import encoder as wire

from lodestone.cli.certs.authority import Authority, Lifetime
from tests.contract.raw_call import framed, raw_call, reset_calls
from tests.fakes.certificate_files import issue
from tests.hostile.grpc_services import LIMIT_S, WORDS, defined, running
from tests.servicekit.tls_servers import serving_tls

pytestmark = pytest.mark.asyncio(loop_scope="module")

Code = grpc.StatusCode
FOREIGN = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch")
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
TOKEN = "0123456789abcdef0123"
GONE = Lifetime(1, dt.datetime.now(dt.UTC) - dt.timedelta(days=3))
NO_REQUEST = b"\xff\xff\xff\xff no request"
# What a caller may be told of a request that is wrong.
ITS_FAULT = {Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION}


@pytest.fixture(scope="module", autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=WORDS)
async def target(request, tmp_path_factory):
    async with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started
        await started.require_right()


async def ends(target, content, *, paths=()):
    """How calls of one message end, by method; None for those that last until their idle limit."""
    paths = paths or [target.path(method.name) for method in target.descriptor.methods]
    found = await asyncio.gather(*(target.status(path, framed(content)) for path in paths))
    return dict(zip(paths, found, strict=True))


async def test_1_an_empty_request(target):
    """OK where nothing is needed, the caller's fault elsewhere; of no method an internal error."""
    found = await ends(target, b"")
    assert {code for code in found.values() if code is not Code.OK} <= ITS_FAULT, found
    assert found[target.stream] in {Code.OK, *ITS_FAULT}


async def test_2_bytes_that_are_no_request(target):
    """INVALID_ARGUMENT of every method, also of health and reflection."""
    found = await ends(target, NO_REQUEST)
    found |= await ends(target, NO_REQUEST, paths=[*FOREIGN, REFLECTION])
    assert set(found.values()) == {Code.INVALID_ARGUMENT}, found


async def test_3_and_5_a_length_over_the_limit(target):
    """RESOURCE_EXHAUSTED at once: what was announced is not waited for."""
    for length in (target.max_message_bytes + 1, 2**32 - 1):
        content = b"\0" + length.to_bytes(4, "big") + b"0123456789"
        for path in (target.unary, target.stream):
            status = await target.status(path, content, ends=False)
            assert status is Code.RESOURCE_EXHAUSTED


async def test_4_a_gzip_bomb(target):
    """100 MB of zeros in 97 kB: RESOURCE_EXHAUSTED, and no more memory than a message may have, and some."""
    content = framed(gzip.compress(bytes(100_000_000)), flag=1)
    process = psutil.Process()
    most = before = process.memory_info().rss
    async with raw_call(target.address, target.unary, grpc_encoding="gzip") as call:
        sending = asyncio.create_task(call.send_much(content))
        while not sending.done():
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.002)
        async with asyncio.timeout(30):
            assert await call.status() is Code.RESOURCE_EXHAUSTED
    most = max(most, process.memory_info().rss)
    assert most - before < target.max_message_bytes + 50_000_000


BROKEN = {
    "6 gzip that is none": (framed(b"no gzip", flag=1), {"grpc_encoding": "gzip"}, {Code.INTERNAL}),
    "7 an encoding that is unknown": (
        framed(b"x", flag=1), {"grpc_encoding": "none-such"}, {Code.INTERNAL, Code.UNIMPLEMENTED},
    ),
    "7 compressed by nothing": (framed(b"x", flag=1), {}, {Code.INTERNAL}),
}  # fmt: skip


@pytest.mark.parametrize(("content", "headers", "codes"), BROKEN.values(), ids=BROKEN)
async def test_6_and_7_a_message_that_cannot_be_unpacked(target, content, headers, codes):
    """An error of gRPC's own."""
    for path in (target.unary, target.stream):
        assert await target.status(path, content, **headers) in codes


ODD = {
    "8 a flag that does not exist": (7, 1, {}),
    "9 a content type of the web": (0, 1, {"content_type": "text/html"}),
    "10 a timeout that is none": (0, 1, {"grpc_timeout": "99999999999Z"}),
    "22 two messages": (0, 2, {}),
}


@pytest.mark.parametrize(("flag", "count", "headers"), ODD.values(), ids=ODD)
async def test_8_9_10_22_what_grpc_takes_although_it_is_odd(target, flag, count, headers):
    """As if it were right, or an error: nothing else comes of it."""
    content = framed(target.asked.request, flag=flag) * count
    status = await target.status(target.unary, content, **headers)
    unpacked = {Code.OK, Code.INVALID_ARGUMENT, Code.INTERNAL, None}
    assert status in ({Code.OK} if flag == 0 else unpacked)


async def test_12_a_deadline_that_passes(target):
    """It ends a call that waits for its request, long before the service's own limit."""
    for path in (target.unary, target.stream):
        async with raw_call(target.address, path, grpc_timeout="200m") as call:
            async with asyncio.timeout(LIMIT_S - 0.5):
                assert await call.status() in {Code.DEADLINE_EXCEEDED, None}
    status = await target.status(target.unary, framed(target.asked.request), grpc_timeout="0n")
    assert status in {Code.DEADLINE_EXCEEDED, Code.OK, None}


async def test_13_a_method_that_is_not_there(target):
    """UNIMPLEMENTED; so is the method of a service that is not there."""
    for path in (target.path("Nothing"), "/lodestone.none.v1.NoService/Nothing", "/", "//"):
        assert await target.status(path, framed(b"")) is Code.UNIMPLEMENTED


@pytest.mark.parametrize("size", [9_000, 20_000, 64_000])
async def test_14_metadata_without_measure(target, size):
    """RESOURCE_EXHAUSTED, in whichever field it is."""
    for path in (target.unary, target.stream):
        status = await target.status(path, framed(target.asked.request), x_long="x" * size)
        assert status is Code.RESOURCE_EXHAUSTED


HALF = {"headers alone": 0, "half of a length": 2, "a message without its last byte": -1}


@pytest.mark.parametrize("size", HALF.values(), ids=HALF)
async def test_18_calls_that_stay_half_open(target, size):
    """All of them end with DEADLINE_EXCEEDED at the limit; others are served meanwhile."""
    requests = dict.fromkeys((*FOREIGN, REFLECTION), b"\n\0")
    if size == 0:
        requests |= {target.path(method.name): b"" for method in target.descriptor.methods}
    requests |= {target.unary: target.asked.request, target.stream: target.asked.message}
    contents = {path: framed(request)[:size] for path, request in requests.items()}
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack, target.neighbour() as seconds:
        began, calls = loop.time(), []
        for path, content in contents.items():
            for _ in range(160 // len(contents)):
                call = await stack.enter_async_context(raw_call(target.address, path))
                call.send(content)
                calls.append(call)
        async with asyncio.timeout(15 + LIMIT_S):
            found = await asyncio.gather(*(call.status() for call in calls))
        assert loop.time() - began >= LIMIT_S
        assert set(found) == {Code.DEADLINE_EXCEEDED}
    assert len(seconds) >= 20
    assert max(seconds) < 4


async def test_17_a_message_that_is_cut_off(target):
    """An error at once: nothing more can come."""
    for path in (target.unary, *FOREIGN):
        for content in (b"", b"\0\0", framed(b"0123456789")[:9]):
            status = await target.status(path, content)
            assert status in {Code.INVALID_ARGUMENT, Code.INTERNAL}, (path, content)


async def test_18_a_message_that_trickles(target):
    """A byte now and then does not stretch the time that a call has; others are served meanwhile."""
    content = framed(target.asked.request)
    async with raw_call(target.address, target.unary) as call, target.neighbour() as seconds:
        ending = asyncio.create_task(call.status())
        for position in range(len(content) - 1):
            call.send(content[position : position + 1])
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ending), 0.3)
                break
        async with asyncio.timeout(30):
            assert await ending is Code.DEADLINE_EXCEEDED
    assert max(seconds) < 4


async def test_19_pings(target):
    """Whoever pings on and on is told to calm down, and disconnected."""
    async with raw_call(target.address, target.unary) as call:
        call.ping(20)
        async with asyncio.timeout(30):
            assert b"too_many_pings" in await call.last_words()


async def test_20_calls_that_are_reset_at_once(target):
    """Two thousand on each of three connections; others are served meanwhile, and nothing runs on."""
    before = len(asyncio.all_tasks())
    async with target.neighbour() as seconds:
        await asyncio.gather(*(reset_calls(target.address, target.unary, 2_000) for _ in range(3)))
    assert max(seconds) < 4
    async with asyncio.timeout(30):
        while len(asyncio.all_tasks()) > before:
            await asyncio.sleep(0.02)


OTHERS = {
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: lodestone\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "nothing known": b"\x07" * 500,
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
async def test_21_bytes_that_are_not_grpc(target, content):
    """The connection is closed."""
    host, _, port = target.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(content)
    async with asyncio.timeout(30):
        with suppress(ConnectionError):
            await reader.read()
    writer.close()


async def test_26_an_id_that_is_used_twice(target):
    """Each use is answered, with that id: the server compares none."""
    call = target.channel.stream_stream(target.stream)()
    for _ in range(3):
        await call.write(target.asked.message)
    async with asyncio.timeout(30):
        answers = [await call.read() for _ in range(3)]
    # Field 1, one letter.
    assert [answer[:3] for answer in answers] == [b"\n\1a"] * 3
    call.cancel()


TEXTS = {
    "a path": "../../etc/passwd",
    "a path that is absolute": "/etc/passwd",
    "NUL": "a\0b",
    "a letter and its accent": "e\u0301te\u0301",
    "one letter": "\u00e9t\u00e9",
    "written backwards": "\u202elandscapes",
    "a hundred thousand letters": "x" * 100_000,
}


def fill(message, text, depth=2):
    """Writes the text wherever one can be written."""
    for field in message.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING:
            if field.is_repeated:
                getattr(message, field.name).append(text)
            else:
                setattr(message, field.name, text)
        elif field.type == field.TYPE_MESSAGE and not field.is_repeated and depth:
            inner = getattr(message, field.name)
            inner.SetInParent()
            fill(inner, text, depth - 1)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_27_texts_that_are_no_names(target, text):
    """In every field of every method: whatever it is, it is no internal error."""
    for method in target.descriptor.methods:
        request = message_factory.GetMessageClass(method.input_type)()
        fill(request, text)
        call = target.channel.unary_stream(target.path(method.name))
        sent = call(request.SerializeToString(), timeout=10)
        with suppress(grpc.aio.AioRpcError):
            while await sent.read() is not grpc.aio.EOF:
                pass
        code, details = await sent.code(), await sent.details()
        assert code in {Code.OK, *ITS_FAULT}, (method.name, code, details)
        assert len(details) <= 1_000


# Who may call a service beside people, and what of it not; and who may call nothing but what is named.
MAY = {
    "embedder": {"crawler": (), "watermark": ()},
    "watermark": {"crawler": ()},
    "novelty": {"crawler": {"FitProfile", "UpdateProfile", "DeleteProfile", "PutThumbnails"}},
    "crawler": {},
}
MAY_ONLY = {("crawler", "bulk"): {"CreateCrawl", "GetCrawl"}}


@pytest.mark.parametrize("word", WORDS)
async def test_28_callers_of_a_service_with_tls(word, tmp_path):
    """Each method of each service, to everybody who has a certificate, or none that is good."""
    (tmp_path / "tokens").write_text(f"anna {TOKEN}\n")
    async with AsyncExitStack() as stack:
        definition, _ = await defined(word, tmp_path / "data", stack)
        methods = methods_of(definition)
        tls = {"tokens_file": tmp_path / "tokens"}
        one = await stack.enter_async_context(serving_tls(definition, tmp_path / "tls", **tls))
        for caller in (*WORDS, "bulk", "person", "stranger"):
            found = await codes(one.channel_of(caller), methods)
            if caller == "person":
                assert set(found.values()) == {Code.UNAUTHENTICATED}
                continue
            refused = {name for name, code in found.items() if code is Code.PERMISSION_DENIED}
            others = set(methods) - MAY_ONLY.get((word, caller), set())
            assert refused == set(MAY[word].get(caller, others)), caller
        wrong = await codes(one.channel_of("person"), methods, f"Bearer {TOKEN}x")
        assert set(wrong.values()) == {Code.UNAUTHENTICATED}
        right = await codes(one.channel_of("person"), methods, f"Bearer {TOKEN}")
        assert not {Code.UNAUTHENTICATED, Code.PERMISSION_DENIED} & set(right.values())
        expired = issue(one.authority, "person", lifetime=GONE)
        rogue = issue(Authority.create(), "person")
        plaintext = grpc.aio.insecure_channel(one.address)
        for channel in (one.channel(None), one.channel(expired), one.channel(rogue), plaintext):
            [code] = (await codes(channel, dict([*methods.items()][:1]))).values()
            assert code is Code.UNAVAILABLE


def methods_of(definition):
    service = descriptor_pool.Default().FindServiceByName(definition.full_name)
    return {method.name: f"/{definition.full_name}/{method.name}" for method in service.methods}


async def codes(channel, methods, authorization=None):
    """How a call of no bytes that are a request ends, by method."""
    metadata = (("authorization", authorization),) if authorization else ()
    found = {}
    async with channel:
        for method, path in methods.items():
            # A stream of requests could lose its status to a write.
            call = channel.unary_stream(path)(NO_REQUEST, metadata=metadata, timeout=20)
            with suppress(grpc.aio.AioRpcError):
                await call.read()
            found[method] = await call.code()
    return found


async def test_29_requests_that_are_nested_or_full_of_what_is_unknown(target):
    """Groups within groups are no request; a million unknown fields are taken, and cost no more than they are."""
    group = wire.TagBytes(1_000, 3)
    found = await ends(target, group * 10_000, paths=[target.unary, target.stream])
    assert set(found.values()) == {Code.INVALID_ARGUMENT}
    unknown = (wire.TagBytes(1_001, 0) + b"\1") * 1_000_000
    process = psutil.Process()
    before = process.memory_info().rss
    call = target.channel.unary_unary(target.unary)
    await call(target.asked.request + unknown, timeout=20)
    assert process.memory_info().rss - before < 250_000_000


async def test_30_a_thousand_connections_that_say_nothing(target):
    """Others are served beside them, and their files are back when they have gone."""
    process = psutil.Process()
    host, _, port = target.address.rpartition(":")
    await target.require_right()
    before = process.num_fds()
    writers = []
    try:
        async with target.neighbour() as seconds:
            for _ in range(1_000):
                _, writer = await asyncio.open_connection(host, int(port))
                writers.append(writer)
    finally:
        for writer in writers:
            writer.close()
    assert max(seconds) < 4
    async with asyncio.timeout(30):
        while process.num_fds() > before + 10:
            await asyncio.sleep(0.02)
