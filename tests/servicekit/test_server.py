from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import grpc
import psutil
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lodestone.client.lost_status import is_lost_status
from services.servicekit import received
from services.servicekit import server as server_module
from services.servicekit.errors import Broken, Misconfigured, Unavailable
from services.servicekit.heap import Heap
from services.servicekit.server import LIVENESS, Probing, ServiceServer, run_service
from tests.contract.raw_call import framed, raw_call, reset_calls
from tests.fakes.serving import serving, settings_for_tests
from tests.servicekit.echo_service import FULL_NAME, EchoClient, EchoService

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(autouse=True)
def logs():
    with structlog.testing.capture_logs() as entries:
        yield entries


class Held:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.free = asyncio.Event()

    async def answer(self, text: str) -> str:
        if text == "hold":
            self.begun.set()
            await self.free.wait()
        return text


async def health(channel: grpc.aio.Channel, name: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status


async def health_becomes(channel: grpc.aio.Channel, status: int) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
    async with asyncio.timeout(30):
        async for update in watch:
            if update.status == status:
                break
    watch.cancel()


async def test_a_service_is_ready_after_its_first_probe(logs):
    """Under its own name and for the server as a whole; the log says where."""
    async with serving(EchoService().definition()) as channel:
        assert await health(channel) == SERVING
        assert await health(channel, FULL_NAME) == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(channel, "lodestone.other.v1.OtherService")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND

    [entry] = [entry for entry in logs if entry["event"] == "ready"]
    assert entry["address"].startswith("127.0.0.1:")
    assert not entry["address"].endswith(":0")


async def test_readiness_follows_the_probe(logs):
    """Not ready while real work fails, ready again when it succeeds; each change is logged once."""
    works = False

    async def probe() -> None:
        if not works:
            message = "no inference today"
            raise RuntimeError(message)

    definition = replace(EchoService(probe=probe).definition(), probing=Probing(every_s=0.01))
    async with serving(definition) as channel:
        assert await health(channel) == NOT_SERVING
        assert await health(channel, FULL_NAME) == NOT_SERVING
        works = True
        await health_becomes(channel, SERVING)
        works = False
        await health_becomes(channel, NOT_SERVING)

    events = [entry for entry in logs if entry["event"] in ("ready", "not_ready")]
    assert [entry["event"] for entry in events] == ["not_ready", "ready", "not_ready"]
    assert events[0]["cause"] == "no inference today"


async def test_who_watches_and_does_not_read_holds_nothing_up():
    """Its watch ends: readiness goes on to follow the probe, and a stop drains."""
    works = True

    async def probe() -> None:
        if not works:
            raise ConnectionError("the model is away")

    definition = replace(EchoService(probe=probe).definition(), probing=Probing(every_s=0.01))
    server = ServiceServer(definition, settings_for_tests())
    await server.start()
    address = f"127.0.0.1:{server.port}"
    async with raw_call(address, "/grpc.health.v1.Health/Watch", reads=False) as deaf:
        deaf.send(framed(b""))
        works = False
        async with grpc.aio.insecure_channel(address) as channel:
            await health_becomes(channel, NOT_SERVING)
        async with asyncio.timeout(30):
            await server.stop()


async def test_liveness_is_not_readiness():
    """A process that answers is alive, whatever its work depends on; restarting it would mend nothing."""

    async def broken() -> None:
        raise ConnectionError("the model is away")

    async with serving(EchoService(probe=broken).definition()) as channel:
        assert await health(channel, LIVENESS) == SERVING
        assert await health(channel) == NOT_SERVING
        assert await health(channel, FULL_NAME) == NOT_SERVING


async def test_a_process_is_alive_before_its_first_probe_ends():
    """A first computation that takes its time must not look like a dead process."""
    begun, free = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await free.wait()

    server = ServiceServer(EchoService(probe=slow).definition(), settings_for_tests())
    starting = asyncio.create_task(server.start())
    await begun.wait()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        assert await health(channel, LIVENESS) == SERVING
        assert await health(channel) == NOT_SERVING
        free.set()
        await starting
        assert await health(channel) == SERVING
        await server.stop()


async def test_a_probe_that_hangs_is_a_failure(logs):
    """Calls are still accepted, so that a person can look."""

    async def hang() -> None:
        await asyncio.Event().wait()

    definition = replace(EchoService(probe=hang).definition(), probing=Probing(timeout_s=0.1))
    async with serving(definition) as channel:
        assert await health(channel) == NOT_SERVING
        assert await EchoClient(channel).unary("a") == "a"
    [entry] = [entry for entry in logs if entry["event"] == "not_ready"]
    assert entry["cause"] == "the echo's probe has taken 0.1 s so far"


async def test_a_failure_without_words_is_told_by_its_kind(logs):
    """Also a time limit of something in the probe, which is not the probe's own."""

    async def fail() -> None:
        raise TimeoutError

    async with serving(EchoService(probe=fail).definition()):
        pass
    [entry] = [entry for entry in logs if entry["event"] == "not_ready"]
    assert entry["cause"] == "an unexpected TimeoutError"


async def broken_after(error: Exception, *, probes: int, gives_up_s: float | None = 0.0) -> bool:
    """Whether a server whose probes raise this has given up by its last one; it may after no time."""
    probed = 0
    enough = asyncio.Event()

    async def probe() -> None:
        nonlocal probed
        probed += 1
        if probed >= probes:
            enough.set()
        raise error

    probing = Probing(every_s=0.001, gives_up_s=gives_up_s)
    definition = replace(EchoService(probe=probe).definition(), probing=probing)
    server = ServiceServer(definition, settings_for_tests())
    await server.start()
    async with asyncio.timeout(30):
        await enough.wait()
    await server.stop()
    return server.broken.is_set()


async def test_work_that_fails_for_long_is_given_up():
    """A new process may mend it; what waits for another service goes on waiting."""
    assert await broken_after(RuntimeError("the device is lost"), probes=3)
    assert not await broken_after(Unavailable("embedder", "it is away"), probes=20)


async def test_a_process_that_says_it_is_broken_is_given_up():
    """At once, however long others may fail."""
    assert await broken_after(Broken("somebody else has taken over"), probes=1, gives_up_s=None)


async def listed(channel: grpc.aio.Channel) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    call = stub.ServerReflectionInfo(iter([request]))
    [answer] = [answer async for answer in call]
    return {service.name for service in answer.list_services_response.service}


async def test_reflection_lists_the_services():
    """The service itself, health and reflection."""
    async with serving(EchoService().definition()) as channel:
        assert await listed(channel) == {
            FULL_NAME,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }


async def test_a_setting_turns_reflection_off():
    """Then it is a method like any other that is not there."""
    settings = settings_for_tests(reflection=False)
    async with serving(EchoService().definition(), settings) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await listed(channel)
        while is_lost_status(caught.value):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await listed(channel)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert await health(channel) == SERVING


async def test_a_port_in_use_stops_the_start():
    """With the address in the sentence; the port is not shared without a word."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = ServiceServer(EchoService().definition(), settings_for_tests(port=port))
        with pytest.raises(
            Misconfigured, match=rf"127.0.0.1:{port} \(PORT\): Address already in use"
        ):
            await server.start()
        await server.stop()


async def test_two_services_do_not_share_a_port():
    """The second one does not start."""
    first = ServiceServer(EchoService().definition(), settings_for_tests())
    await first.start()
    second = ServiceServer(EchoService().definition(), settings_for_tests(port=first.port))
    with pytest.raises(Misconfigured, match="in use"):
        await second.start()
    await second.stop()
    await first.stop()


def test_an_address_of_others_is_refused():
    """Before anything is bound."""
    with pytest.raises(Misconfigured, match="INSECURE=true"):
        ServiceServer(EchoService().definition(), settings_for_tests(host="0.0.0.0"))


async def test_a_message_over_the_limit_is_refused():
    """And one under it is not."""
    async with serving(EchoService().definition(max_message_bytes=4_096)) as channel:
        client = EchoClient(channel)
        assert len(await client.unary("x" * 4_000)) == 4_000
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.unary("x" * 4_200)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_metadata_over_the_limit_is_refused_each_time():
    """Not by chance; calls below it, on the same connection, are served."""
    async with serving(EchoService().definition()) as channel:

        async def end(size):
            try:
                return await EchoClient(channel).unary("a", metadata=(("x-long", "x" * size),))
            except grpc.aio.AioRpcError as error:
                return error.code()

        ends = {
            size: set(await asyncio.gather(*map(end, [size] * 40)))
            for size in (7_000, 9_000, 15_000)
        }
    refused = {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert ends == {7_000: {"a"}, 9_000: refused, 15_000: refused}


async def test_more_calls_than_a_connection_has_streams_wait_for_one_another():
    """A client of no retries: 64 are under way, and none of the others is refused."""
    running, most = 0, 0

    async def answer(text: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return text

    definition = EchoService(answer=answer).definition(max_message_bytes=200_000)
    async with serving(definition) as channel:
        client = EchoClient(channel)

        async def ask() -> int:
            return len([await client.unary("x" * 150_000) for _ in range(10)])

        assert await asyncio.gather(*(ask() for _ in range(200))) == [10] * 200

    assert most <= 64


async def test_calls_that_are_begun_and_reset_again_and_again_harm_nobody():
    """Rapid reset (CVE-2023-44487): others are answered meanwhile, and no memory is left with 10,000 such calls."""
    server = ServiceServer(EchoService().definition(), settings_for_tests())
    await server.start()
    process = psutil.Process()

    address, path = f"127.0.0.1:{server.port}", f"/{FULL_NAME}/Unary"
    async with grpc.aio.insecure_channel(address) as channel:
        client = EchoClient(channel)
        await reset_calls(address, path, 2_000)
        before = process.memory_info().rss
        attack = asyncio.create_task(reset_calls(address, path, 10_000))
        while not attack.done():
            assert await client.unary("x", timeout=10) == "x"
        await attack
        assert process.memory_info().rss - before < 20_000_000
    await server.stop()


async def test_freed_memory_is_looked_for_while_it_serves(monkeypatch):
    """Beside each probe."""
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Heap, "look", lambda _: loop.call_soon_threadsafe(looked.set))
    async with serving(EchoService().definition(probing=Probing(every_s=0.01))):
        async with asyncio.timeout(30):
            await looked.wait()


async def test_an_unknown_method_is_unimplemented():
    """The interceptor leaves it to grpc."""
    async with serving(EchoService().definition()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(f"/{FULL_NAME}/Nothing")(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def first_refusal(client: EchoClient) -> grpc.StatusCode:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.unary("new", timeout=0.2)
            except grpc.aio.AioRpcError as error:
                # grpc.aio forgets some calls that race with the stop; the next one is refused.
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    return error.code()


async def test_a_stop_lets_the_running_call_end():
    """New calls are refused meanwhile; what the service holds is closed last."""
    held = Held()
    service = EchoService(answer=held.answer)
    server = ServiceServer(service.definition(), settings_for_tests(drain_s=60.0))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        client = EchoClient(channel)
        running = asyncio.ensure_future(client.unary("hold"))
        await held.begun.wait()
        stopping = asyncio.create_task(server.stop())
        # grpc.aio answers a call that races with the stop with CANCELLED.
        refusal = await first_refusal(client)
        assert refusal in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert not stopping.done()
        assert service.closed == []
        held.free.set()

        assert await running == "hold"
        async with asyncio.timeout(30):
            await stopping
    assert service.closed == [True]


async def test_a_stop_lets_a_listing_end():
    """A client that has half of it could not go on elsewhere."""
    free = asyncio.Event()

    async def texts(_):
        yield "first"
        await free.wait()
        yield "second"

    server = ServiceServer(EchoService(watch=texts).definition(), settings_for_tests(drain_s=60.0))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = EchoClient(channel).list_texts("all")
        assert await call.read() == "first"
        stopping = asyncio.create_task(server.stop())
        await first_refusal(EchoClient(channel))
        free.set()
        assert await call.read() == "second"
        assert await call.read() is grpc.aio.EOF
        async with asyncio.timeout(30):
            await stopping


async def test_a_stop_ends_a_stream_after_what_is_in_flight():
    """The client gets the answer, then UNAVAILABLE, and need not wait for the end of the drain."""
    held = Held()
    server = ServiceServer(
        EchoService(answer=held.answer).definition(), settings_for_tests(drain_s=60.0)
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = EchoClient(channel).stream()
        await stream.write("a")
        assert await stream.read() == "a"
        await stream.write("hold")
        await held.begun.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        held.free.set()

        async with asyncio.timeout(30):
            assert await stream.read() == "hold"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            await stopping
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stop_ends_an_idle_stream_and_a_watch_at_once():
    """Neither would end by itself."""

    async def watch(_: str):
        yield "first"
        await asyncio.Event().wait()

    server = ServiceServer(EchoService(watch=watch).definition(), settings_for_tests(drain_s=60.0))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        client = EchoClient(channel)
        calls = [client.stream(), client.watch("x")]
        await calls[0].write("a")
        assert [await call.read() for call in calls] == ["a", "first"]

        async with asyncio.timeout(30):
            await server.stop()
            for call in calls:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call.read()
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stop_ends_a_call_with_a_stream_of_requests_at_once():
    """Such calls have no deadline: whether it still listens or already works, the client is told to go elsewhere."""
    held = Held()
    service = EchoService(answer=held.answer)
    server = ServiceServer(service.definition(), settings_for_tests(drain_s=60.0))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        client = EchoClient(channel)
        working, listening = client.collect(iter(["ho", "ld"])), client.collect()
        await listening.write("a")
        await held.begun.wait()
        async with asyncio.timeout(30):
            await server.stop()
            for call in (working, listening):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
                assert "shutting down" in caught.value.details()
    assert service.closed == [True]


async def reflecting(channel):
    """A call of reflection that has had one answer."""
    reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
    await reflect.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    assert (await reflect.read()).list_services_response.service
    return reflect


async def test_a_stop_ends_those_who_watch_health_or_reflect():
    """A client that does so for ever does not hold the process up; the watcher hears why."""
    server = ServiceServer(EchoService().definition(), settings_for_tests(drain_s=60.0))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        reflect = await reflecting(channel)
        async with asyncio.timeout(30):
            await server.stop()
            assert (await watch.read()).status == NOT_SERVING
            assert await watch.read() is grpc.aio.EOF
            assert await reflect.read() is grpc.aio.EOF


async def test_a_call_that_does_not_end_is_cut_off_after_the_drain():
    """The process ends in time whatever a caller does."""
    held = Held()
    server = ServiceServer(
        EchoService(answer=held.answer).definition(), settings_for_tests(drain_s=0.1)
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        running = asyncio.ensure_future(EchoClient(channel).unary("hold"))
        await held.begun.wait()
        async with asyncio.timeout(30):
            await server.stop()
            with pytest.raises(grpc.aio.AioRpcError):
                await running


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("the store", "it is away"), 70), (Misconfigured("no"), 78)]
)
def test_a_start_that_fails(capsys, error, status):
    """One line; a supervisor starts again what lacked only something that may come back."""

    async def build():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_service(build, settings_for_tests())
    assert ended.value.code == status
    assert capsys.readouterr().err == f"error: {error}\n"


HELLOS = {
    "grpc.server_handshake_timeout_ms": b"",
    # The preface and settings, and no word about the server's.
    "grpc.http2.settings_timeout": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
}


@pytest.mark.parametrize(("option", "hello"), HELLOS.items(), ids=["nothing", "no settings"])
async def test_a_connection_on_which_nothing_comes_is_closed(option, hello, monkeypatch):
    """When its time is over; here that is a fiftieth."""
    options = server_module._options

    def sooner(*given):
        found = dict(options(*given))
        return [*{**found, option: found[option] // 50}.items()]

    monkeypatch.setattr(server_module, "_options", sooner)
    server = ServiceServer(EchoService().definition(), settings_for_tests())
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(hello)
    async with asyncio.timeout(30):
        while await reader.read(65_536):
            pass
    writer.close()
    await server.stop()


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_a_request_for_health_that_does_not_come(method):
    """Its call ends at the deadline of unary calls, with the same words."""
    async with serving(EchoService().definition(unary_deadline_s=0.1)) as channel:
        call = channel.stream_stream(f"/grpc.health.v1.Health/{method}")()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await call.details() == "this call took longer than the server's limit of 0.1 s"


async def test_what_is_no_request_for_health_or_reflection():
    """INVALID_ARGUMENT, and nothing of what the parser says."""
    paths = ["health.v1.Health/Check", "health.v1.Health/Watch"]
    paths += ["reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
    async with serving(EchoService().definition()) as channel:
        for path in paths:
            call = channel.stream_stream(f"/grpc.{path}")(iter([b"\xff\xff\xff\xff"]))
            assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert await call.details() == "the 4 bytes are not a request message of this method"


async def test_those_who_watch_health_or_reflect_come_again_after_a_while():
    """On a connection that is new, at once."""
    async with serving(
        EchoService().definition(), settings_for_tests(connection_age_s=0.1)
    ) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        for call in (watch, await reflecting(channel)):
            async with asyncio.timeout(5):
                assert await call.code() is grpc.StatusCode.UNAVAILABLE
            assert await call.details() == "this stream has lasted for 0.115 s: open another"
            assert ("grpc-retry-pushback-ms", "0") in tuple(await call.trailing_metadata())


async def test_who_reflects_and_asks_nothing_is_ended_by_the_idle_limit():
    """Who watches health has nothing to ask."""
    async with serving(
        EchoService().definition(), settings_for_tests(stream_idle_s=0.1)
    ) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        silent = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
        for call in (await reflecting(channel), silent):
            async with asyncio.timeout(5):
                assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert await call.details() == "nothing moved on this stream for 0.1 s"
        assert not watch.done()
        watch.cancel()


async def test_who_reflects_and_does_not_read_is_ended_by_the_idle_limit(monkeypatch):
    """And nothing of the call runs on, although its end cannot be told."""
    monkeypatch.setattr(received, "_GOES_ON_S", 0.1)
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    server = ServiceServer(EchoService().definition(), settings_for_tests(stream_idle_s=0.2))
    await server.start()
    asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()

    def running():
        return [
            task
            for task in asyncio.all_tasks()
            if path in task.get_name() or "Received" in str(task)
        ]

    async with raw_call(f"127.0.0.1:{server.port}", path, reads=False) as deaf:
        deaf.send(framed(asked))
        async with asyncio.timeout(5):
            while not running():
                await asyncio.sleep(0.005)
            while running():
                await asyncio.sleep(0.005)
    await server.stop()
