"""Errors as lines for people."""

from __future__ import annotations

import grpc
import pytest
import structlog

from lodestone.cli.certs.authority import Authority, Lifetime, Names
from lodestone.cli.errors import CliError, SeveralErrors, error_lines, explain, plain_reason
from lodestone.client import BadTlsFiles, CrawlerClient, ServiceUnreachable, Transport, connect
from lodestone.client.tls_files import read_tls_files
from services.servicekit.server import ServiceServer
from tests.fakes.certificate_files import issue, write
from tests.fakes.serving import settings_for_tests
from tests.servicekit.echo_service import EchoClient, EchoService
from tests.servicekit.tls_servers import serving_tls

REFUSED = (
    "connections to all backends failing; last error: UNKNOWN: ipv4:127.0.0.1:50051: "
    "Failed to connect to remote host: Connection refused"
)
CANNOT = "cannot reach the crawler service at {}: is `lodestone up` running?"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "nowhere.invalid:1"])
async def test_a_connection_that_fails_is_told_in_our_words(monkeypatch, address):
    """Which service, where, and what to do; found by the port."""
    monkeypatch.setenv("LODESTONE_CRAWLER", address)
    async with CrawlerClient(address) as crawler:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await crawler.list_crawls()
    assert explain(raised.value) == CANNOT.format(address)


async def test_a_connection_to_none_of_the_four_is_told_too(monkeypatch):
    """A client of somewhere else."""
    monkeypatch.setenv("LODESTONE_CRAWLER", "127.0.0.1:2")
    async with CrawlerClient("127.0.0.1:1") as crawler:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await crawler.list_crawls()
    assert explain(raised.value).startswith("cannot reach a service at 127.0.0.1:1: ")


@pytest.fixture
async def secured(tmp_path):
    """A service with TLS, and the folders of a person and of a stranger."""
    with structlog.testing.capture_logs():
        async with serving_tls(EchoService().definition(), tmp_path / "echo") as one:
            person = issue(one.authority, "person")
            write(tmp_path / "person", person, one.authority)
            rogue = Authority.create()
            write(tmp_path / "rogue", issue(rogue, "person"), rogue)
            # Believes the service, and is not believed.
            (tmp_path / "rogue" / "ca.crt").write_bytes(
                one.authority.pair.certificate + rogue.pair.certificate
            )
            write(tmp_path / "doubter", issue(rogue, "person"), rogue)
            yield one


@pytest.mark.parametrize(
    ("folder", "hint"),
    [
        (None, "it may want TLS: set LODESTONE_TLS to the folder with your certificate"),
        ("rogue", "it turns the certificate in LODESTONE_TLS away: another authority than the"),
        ("doubter", "ca.crt in LODESTONE_TLS has not signed its certificate, or that has expired"),
    ],
)
async def test_a_handshake_that_fails_has_a_hint(monkeypatch, secured, tmp_path, folder, hint):
    """Found before any work is done, or by a call."""
    tls = tmp_path / folder if folder else None
    if tls:
        monkeypatch.setenv("LODESTONE_TLS", str(tls))
    monkeypatch.setenv("LODESTONE_CRAWLER", secured.address)
    line = f"cannot reach the crawler service at {secured.address}: {hint}"
    async with CrawlerClient(secured.address, transport=Transport(tls)) as crawler:
        with pytest.raises(ServiceUnreachable) as unreachable:
            await crawler.require_reachable()
        assert explain(unreachable.value).startswith(line)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await crawler.list_crawls()
        assert explain(raised.value).startswith(line)


async def test_tls_with_a_service_that_has_none_has_a_hint(monkeypatch, secured, tmp_path):
    """As has a certificate for other addresses."""
    tls = tmp_path / "person"
    server = ServiceServer(EchoService().definition(), settings_for_tests())
    await server.start()
    plain = f"127.0.0.1:{server.port}"
    async with CrawlerClient(plain, transport=Transport(tls)) as crawler:
        with pytest.raises(ServiceUnreachable) as raised:
            await crawler.require_reachable()
    await server.stop()
    assert explain(raised.value).endswith(": it has no TLS, and LODESTONE_TLS is set")
    names = Names("spiffe://lodestone/crawler", ("elsewhere",))
    write(secured.folder, secured.authority.issue(names, Lifetime(1)), secured.authority)
    async with CrawlerClient(secured.address, transport=Transport(tls)) as crawler:
        with pytest.raises(ServiceUnreachable) as raised:
            await crawler.require_reachable()
    assert explain(raised.value).endswith(": its certificate is for other addresses")


async def test_a_token_that_is_missing_has_a_hint(tmp_path):
    """Which variable names its file."""
    (tmp_path / "tokens").write_text("anna 0123456789abcdef\n")
    with structlog.testing.capture_logs():
        async with serving_tls(
            EchoService().definition(), tmp_path / "echo", tokens_file=tmp_path / "tokens"
        ) as one:
            tls = write(tmp_path / "person", issue(one.authority, "person"), one.authority)
            async with connect(one.address, transport=Transport(tls)) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await EchoClient(channel).unary("a")
    assert explain(raised.value) == (
        "a token is needed, as metadata: `authorization: Bearer TOKEN` "
        "(LODESTONE_TOKEN_FILE names the file with yours)"
    )


def test_bad_files_are_told_as_they_are(tmp_path):
    """One line, with the variable."""
    with pytest.raises(BadTlsFiles) as raised:
        read_tls_files(tmp_path, "client")
    assert explain(raised.value) == (
        f"LODESTONE_TLS: {tmp_path}: tls.crt cannot be read: No such file or directory"
    )


def test_a_reason_to_wait_is_told_in_our_words():
    """gRPC's part of the sentence is replaced, what comes before it stays; other reasons stay whole."""
    assert plain_reason(REFUSED) == "no connection to 127.0.0.1:50051"
    assert (
        plain_reason(f"the embedder is away: {REFUSED}")
        == "the embedder is away: no connection to 127.0.0.1:50051"
    )
    assert plain_reason("it is\nshutting down") == "it is shutting down"


def test_several_errors_are_several_lines():
    """One line each, whatever is in them."""
    assert error_lines(SeveralErrors(["one\nline", "two"])) == ["one line", "two"]
    assert error_lines(CliError("only\none")) == ["only one"]
