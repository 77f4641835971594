from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import generate_latest

from lodestone.cli.certs.authority import Authority, Lifetime
from services.servicekit import certificates as module
from services.servicekit.certificates import ServerCertificates
from services.servicekit.errors import Misconfigured
from services.servicekit.metrics import new_registry
from services.servicekit.server import Probing, ServiceServer
from tests.fakes.certificate_files import issue, write
from tests.fakes.ports import free_port
from tests.fakes.serving import settings_for_tests
from tests.servicekit.echo_service import EchoClient, EchoService
from tests.servicekit.tls_servers import serving_tls

SERVING = health_pb2.HealthCheckResponse.SERVING
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(autouse=True)
def logs():
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tls"


async def refusal(channel) -> grpc.StatusCode:
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoClient(channel).unary("a", timeout=10)
    return caught.value.code()


async def health(channel) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=10)).status


async def test_only_a_certificate_of_the_authority_opens_a_connection(folder):
    """None, one of another authority, one that has expired and plaintext are turned away; others go on."""
    async with serving_tls(EchoService().definition(), folder) as one:
        rogue = Authority.create()
        expired = issue(one.authority, "person", lifetime=Lifetime(1, NOW - dt.timedelta(days=2)))
        async with one.channel_of("person") as good:
            assert await EchoClient(good).unary("a") == "a"

            assert await refusal(one.channel(None)) is grpc.StatusCode.UNAVAILABLE
            assert await refusal(one.channel(issue(rogue, "person"))) is grpc.StatusCode.UNAVAILABLE
            assert await refusal(one.channel(expired)) is grpc.StatusCode.UNAVAILABLE
            plaintext = grpc.aio.insecure_channel(one.address)
            assert await refusal(plaintext) is grpc.StatusCode.UNAVAILABLE
            # And a client does not believe a server of somebody else's.
            stranger = one.channel(issue(one.authority, "person"), rogue)
            assert await refusal(stranger) is grpc.StatusCode.UNAVAILABLE

            assert await EchoClient(good).unary("b") == "b"


async def test_health_has_a_port_of_its_own_in_plaintext(folder):
    """With nothing else on it; the data port has health too, for who has a certificate."""
    port = free_port()
    async with (
        serving_tls(EchoService().definition(), folder, health_port=port) as one,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as probe,
        one.channel_of("watermark") as caller,
    ):
        assert await health(probe) == SERVING
        assert await health(caller) == SERVING
        assert await refusal(probe) is grpc.StatusCode.UNIMPLEMENTED


async def test_a_watch_on_the_health_port_ends_with_the_drain(folder):
    """It holds up no stop."""
    port = free_port()
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as probe,
        serving_tls(EchoService().definition(), folder, health_port=port, drain_s=60.0) as one,
    ):
        watch = health_pb2_grpc.HealthStub(probe).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        async with asyncio.timeout(30):
            await one.server.stop()


async def test_without_tls_there_is_no_health_port():
    """Health is on the data port, which anybody can ask."""
    port = free_port()
    server = ServiceServer(EchoService().definition(), settings_for_tests(health_port=port))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as probe:
        assert await refusal(probe) is grpc.StatusCode.UNAVAILABLE
    await server.stop()


async def shown(one) -> bytes:
    """The certificate that a new connection meets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", one.server.port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(found).encode()


async def test_a_new_certificate_is_shown_to_new_connections(folder, logs):
    """The old connections go on; half of a change is not shown, but logged once and counted."""
    registry = new_registry()
    definition = EchoService().definition(registry=registry)
    async with serving_tls(definition, folder) as one, one.channel_of("person") as channel:
        client = EchoClient(channel)
        before = await shown(one)
        renewed = issue(one.authority, "echo")
        (folder / "tls.crt").write_bytes(renewed.certificate)
        assert await shown(one) == before
        assert await shown(one) == before
        (folder / "tls.key").write_bytes(renewed.key)
        assert await shown(one) == renewed.certificate
        assert await client.unary("a") == "a"

    events = [entry["event"] for entry in logs if entry["event"].startswith("certificate")]
    assert events == ["certificate_not_reloaded", "certificate_reloaded"]
    text = generate_latest(registry).decode()
    assert "lodestone_echo_certificate_reload_failures_total 2.0" in text
    not_after = text.partition("\nlodestone_echo_certificate_not_after_seconds ")[2].split()[0]
    assert abs(float(not_after) - time.time() - 86_400) < 600


async def test_a_new_authority_is_believed_without_a_restart(folder):
    """First both, then only the new one."""
    async with serving_tls(EchoService().definition(), folder) as one:
        new = Authority.create()
        (folder / "ca.crt").write_bytes(one.authority.pair.certificate + new.pair.certificate)
        for of in (one.authority, new):
            async with one.channel(issue(of, "person")) as channel:
                assert await EchoClient(channel).unary("a") == "a"

        write(folder, issue(new, "echo"), new)
        old = one.channel(issue(one.authority, "person"), new)
        assert await refusal(old) is grpc.StatusCode.UNAVAILABLE
        async with one.channel(issue(new, "person"), new) as channel:
            assert await EchoClient(channel).unary("a") == "a"


async def test_a_certificate_that_expires_is_logged_once(folder, logs):
    """While nobody connects, too; the old connections go on."""

    async def probe() -> None:
        probed.set()

    probed = asyncio.Event()
    definition = EchoService(probe=probe).definition(probing=Probing(every_s=0.01))
    async with serving_tls(definition, folder) as one, one.channel_of("person") as channel:
        client = EchoClient(channel)
        assert await client.unary("a") == "a"
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)
        lifetime = Lifetime(1, soon - dt.timedelta(days=1))
        write(folder, issue(one.authority, "echo", lifetime=lifetime), one.authority)

        async with asyncio.timeout(30):
            while "certificate_expired" not in [entry["event"] for entry in logs]:
                probed.clear()
                await probed.wait()
            for _ in range(5):
                probed.clear()
                await probed.wait()
        assert await client.unary("b") == "b"
    assert [entry["event"] for entry in logs].count("certificate_expired") == 1


def test_a_certificate_that_expires_while_new_files_are_no_good_is_logged(
    folder, logs, monkeypatch
):
    """Each of the two once, whatever is asked in between."""
    authority = Authority.create()
    write(folder, issue(authority, "echo"), authority)
    certificates = ServerCertificates(folder, "echo", new_registry())
    (folder / "tls.key").write_text("half")
    certificates.look()
    monkeypatch.setattr(module.time, "time", lambda: NOW.timestamp() + 10 * 86_400)
    for _ in range(3):
        certificates.look()

    events = ["certificate_not_reloaded", "certificate_expired"]
    assert [entry["event"] for entry in logs] == events
    write(folder, issue(authority, "echo"), authority)
    certificates.look()
    assert [entry["event"] for entry in logs][2:] == ["certificate_reloaded", "certificate_expired"]


async def test_bad_files_stop_the_start(folder):
    """In one clear sentence."""
    authority = Authority.create()
    expired = issue(authority, "echo", lifetime=Lifetime(1, NOW - dt.timedelta(days=2)))
    write(folder, expired, authority)
    with pytest.raises(Misconfigured, match="LODESTONE_TLS: .*tls.crt: certificate has expired"):
        ServiceServer(EchoService().definition(), settings_for_tests(tls=folder))
