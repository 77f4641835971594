from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from yarl import URL

from services.crawler.fetch.address import AddressPolicy
from services.crawler.fetch.egress_proxy import EgressProxy
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.guard_proxy import ProxyLimits
from services.crawler.fetch.identity import ContactMissing, Identity
from services.crawler.fetch.web_client import Network
from services.crawler.outcome import OutcomeReason
from tests.crawler.fetch.fake_resolver import FakeResolver
from tests.crawler.fetch.raw_server import RawServer, answer, by_path, hang, says
from tests.crawler.fetch.support import fetcher_for
from tests.hostile.certificates import GOOD, client_context, server_context

PUBLIC = "93.184.215.14"


@asynccontextmanager
async def program(fetcher, **limits):
    """A proxy of the fetcher's, and a program's session that goes through it."""
    async with fetcher, fetcher.open_proxy() as proxy:
        proxy._limits = replace(ProxyLimits(), **limits)
        proxy._bytes_left = proxy._limits.max_bytes
        async with aiohttp.ClientSession(proxy=proxy.url) as session:
            yield proxy, session


async def raw(proxy, request: bytes, *, authorized: bool = True) -> bytes:
    """What the proxy answers to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(proxy.url).port)
    told = f"Proxy-Authorization: {proxy._authorization}\r\n".encode() if authorized else b""
    first, _, rest = request.partition(b"\r\n")
    with contextlib.suppress(ConnectionError):
        writer.write(first + b"\r\n" + told + rest)
        await writer.drain()
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def _read(session, url: str) -> bytes:
    async with session.get(url) as response:
        return await response.read()


def status_of(answered: bytes) -> int:
    return int(answered.split(b" ")[1])


async def test_an_allowed_request_comes_back_as_the_host_answered() -> None:
    """Status, headers and bytes as they came, even compressed; what belongs to the proxy does not reach the host."""
    headers = {"Content-Encoding": "gzip", "X-Kind": "b"}
    body = b"\x1f\x8b not unpacked here"
    gone = answer(body, status="404 Gone", headers=headers)
    async with (
        RawServer(says(gone)) as server,
        program(fetcher_for(server.port)) as (proxy, _session),
    ):
        request = f"GET {server.url('/x?q=1')} HTTP/1.1\r\nUser-Agent: me\r\nX-Own: 1\r\n\r\n"
        answered = await raw(proxy, request.encode())
    head, _, got = answered.partition(b"\r\n\r\n")
    assert (status_of(head), got) == (404, body)
    assert b"X-Kind: b" in head
    assert b"Connection: close" in head
    [asked] = server.requests
    assert asked.startswith("GET /x?q=1 HTTP/1.1\r\n")
    assert "user-agent: me" in asked.lower()
    assert "x-own: 1" in asked.lower()
    assert "proxy" not in asked.lower()


async def test_a_body_goes_to_the_host() -> None:
    """A POST with its length, as some interfaces want it."""
    bodies = []

    async def respond(_path, writer):
        bodies.append("seen")
        writer.write(answer(b"ok"))

    async with RawServer(respond) as server, program(fetcher_for(server.port)) as (_proxy, session):
        response = await session.post(server.url("/"), data=b"a=1")
        assert await response.read() == b"ok"
    assert "Content-Length: 3" in server.requests[0]


async def test_a_tunnel_is_bytes_both_ways() -> None:
    """TLS goes through CONNECT to the address that the name has; the program checks the certificate itself."""
    tls = server_context(GOOD, "site.example")
    async with (
        RawServer(says(answer(b"secret"))) as trap,
        RawServer(says(answer(b"picture")), tls=tls) as server,
    ):
        names = {"site.example": [["127.0.0.1"]]}
        async with program(fetcher_for(server.port, names=names)) as (proxy, session):
            url = server.url("/a", host="site.example", scheme="https")
            async with session.get(url, ssl=client_context()) as response:
                assert await response.read() == b"picture"
            assert proxy.refusal is None
    assert trap.connections == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]", "inside.example"],
)
async def test_what_is_forbidden_is_not_reached(scheme: str, host: str) -> None:
    """A listener on loopback sees no connection, however its address is written; the proxy remembers the refusal."""
    async with RawServer(says(answer(b"secret"))) as trap:
        names = {"inside.example": [["127.0.0.1"]]}
        async with program(fetcher_for(names=names)) as (proxy, _session):
            target = f"{host}:{trap.port}"
            line = f"CONNECT {target}" if scheme == "https" else f"GET http://{target}/"
            answered = await raw(proxy, f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            refusal = proxy.refusal
    assert status_of(answered) == 403
    assert trap.connections == 0
    assert refusal is not None
    assert refusal.reason in (OutcomeReason.FORBIDDEN_ADDRESS, OutcomeReason.BAD_URL)


async def test_a_second_look_up_cannot_lead_astray() -> None:
    """A name that is public first and then loopback: the address that was checked is the one that is dialled."""
    async with RawServer(says(answer(b"secret"))) as trap:
        names = {"turns.example": [["127.0.0.2"], ["127.0.0.1"]]}
        fetcher = fetcher_for(f"127.0.0.2:{trap.port}", names=names)
        async with program(fetcher) as (proxy, _session):
            line = f"CONNECT turns.example:{trap.port} HTTP/1.1\r\n\r\n".encode()
            first, second = await raw(proxy, line), await raw(proxy, line)
    # 127.0.0.2 may be asked, and nobody listens there.
    assert (status_of(first), status_of(second)) == (502, 403)
    assert trap.connections == 0


async def test_the_peer_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is at the other end must be who was dialled: a connection that leads elsewhere is closed unused."""
    seen = []
    check = AddressPolicy.check

    def changed(self, address, port):
        seen.append(address)
        return check(self, "10.0.0.1" if len(seen) == 3 else address, port)

    async with (
        RawServer(says(answer(b"secret"))) as server,
        program(fetcher_for(server.port)) as (proxy, _session),
    ):
        monkeypatch.setattr(AddressPolicy, "check", changed)
        line = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\n".encode()
        assert status_of(await raw(proxy, line)) == 403
    assert seen == ["127.0.0.1"] * 3
    assert server.requests == []


async def test_nobody_else_may_use_it() -> None:
    """Without the secret, or with another, nothing is asked; each proxy has its own."""
    async with (
        RawServer(says(answer(b"x"))) as server,
        fetcher_for(server.port) as fetcher,
        fetcher.open_proxy() as proxy,
        fetcher.open_proxy() as other,
    ):
        request = f"GET {server.url()} HTTP/1.1\r\n\r\n".encode()
        wrong = request.replace(
            b"\r\n", b"\r\nProxy-Authorization: %s\r\n" % other._authorization.encode(), 1
        )
        answers = [
            await raw(proxy, request, authorized=False),
            await raw(proxy, wrong, authorized=False),
            await raw(proxy, b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", authorized=False),
        ]
    assert [status_of(one) for one in answers] == [407, 407, 407]
    assert server.connections == 0
    assert proxy._secret not in repr(answers)


async def test_without_a_contact_no_stranger_is_asked() -> None:
    """As for the crawler's own requests; what the configuration allows is our own."""
    names = {"site.example": [[PUBLIC]]}
    async with RawServer(says(answer(b"x"))) as server:
        fetcher = fetcher_for(server.port, names=names, identity=Identity("0"))
        async with program(fetcher) as (proxy, session):
            async with session.get(server.url()) as response:
                assert response.status == 200
            refused = await raw(proxy, b"CONNECT site.example:443 HTTP/1.1\r\n\r\n")
            assert isinstance(proxy.refusal, ContactMissing)
    assert status_of(refused) == 403
    assert fetcher.resolver.asked == {}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET https://127.0.0.1/ HTTP/1.1\r\n\r\n", 400),
        (b"GET file:///etc/passwd HTTP/1.1\r\n\r\n", 400),
        (b"DELETE http://127.0.0.1/ HTTP/1.1\r\n\r\n", 405),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\nA: b\nc: d\r\n\r\n", 400),
        (b"POST http://127.0.0.1/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST http://127.0.0.1/ HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n", 413),
        (b"POST http://127.0.0.1/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 413),
        (b"CONNECT user@127.0.0.1:1 HTTP/1.1\r\n\r\n", 403),
        (b"CONNECT HTTP/1.1\r\n\r\n", 403),
        (b"GET http:// HTTP/1.1\r\n\r\n", 403),
        (b"A" * 200_000 + b"\r\n\r\n", 431),
    ],
)
async def test_what_is_no_request_is_refused(request_bytes: bytes, status: int) -> None:
    """Each gets its answer, and nothing is dialled."""
    async with program(fetcher_for()) as (proxy, _session):
        answered = await raw(proxy, request_bytes)
    # An overlong head may be reset before its answer is read.
    assert answered == b"" if status == 431 and not answered else status_of(answered) == status


async def test_one_connection_has_one_request() -> None:
    """A second request behind the first, to another host, goes nowhere."""
    async with (
        RawServer(says(answer(b"one"))) as server,
        RawServer(says(answer(b"two"))) as other,
        program(fetcher_for(server.port, other.port)) as (proxy, _session),
    ):
        two = "".join(f"GET {one.url()} HTTP/1.1\r\n\r\n" for one in (server, other))
        answered = await raw(proxy, two.encode())
    assert answered.endswith(b"one")
    assert (len(server.requests), other.connections) == (1, 0)


async def test_an_idle_tunnel_is_closed() -> None:
    """A connection over which nothing goes ends, on both sides."""
    async with (
        RawServer(hang) as server,
        program(fetcher_for(server.port), idle_s=0.2) as (proxy, _session),
    ):
        line = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\n".encode()
        assert status_of(await raw(proxy, line)) == 200


async def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    """Whoever connects and says nothing is let go."""
    async with program(fetcher_for(), head_s=0.1) as (proxy, _session):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(proxy.url).port)
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()


async def test_bytes_have_a_bound() -> None:
    """What goes on after the bound is cut off, and the refusal says so."""
    async with (
        RawServer(says(answer(b"x" * 100_000))) as server,
        program(fetcher_for(server.port), max_bytes=50_000) as (proxy, session),
    ):
        response = await session.get(server.url())
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
        assert proxy.refusal is not None
        assert proxy.refusal.reason is OutcomeReason.TOO_MANY_BYTES


async def test_connections_have_a_bound() -> None:
    """One more than are served at a time is told so."""
    async with (
        RawServer(hang) as server,
        program(fetcher_for(server.port), connections=1) as (proxy, session),
    ):
        first = asyncio.create_task(_read(session, server.url()))
        while not server.requests:
            await asyncio.sleep(0.01)
        assert status_of(await raw(proxy, b"GET http://x/ HTTP/1.1\r\n\r\n")) == 503
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_a_host_that_is_away_is_a_bad_gateway() -> None:
    """No connection is the host's fault: no rule was broken."""
    async with RawServer(hang) as server:
        port = server.port
    async with program(fetcher_for(port)) as (proxy, session):
        async with session.get(f"http://127.0.0.1:{port}/") as response:
            assert response.status == 502
        tunnel = await raw(proxy, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        assert (status_of(tunnel), proxy.refusal) == (502, None)


async def test_leaving_closes_everything() -> None:
    """An open tunnel ends with the proxy, and its port is free."""
    async with RawServer(hang) as server, fetcher_for(server.port) as fetcher:
        async with fetcher.open_proxy() as proxy:
            port = URL(proxy.url).port
            line = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\n".encode()
            tunnel = asyncio.create_task(raw(proxy, line))
            while not server.connections:
                await asyncio.sleep(0.01)
        assert status_of(await tunnel) == 200
        with pytest.raises(OSError, match="refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_egress_proxy_stands_behind_it(scheme: str) -> None:
    """Where one is configured, it is asked for the host, with its credentials, after the name passed here."""
    names = {"site.example": [[PUBLIC]], "inside.example": [["10.0.0.1"]]}
    async with RawServer(by_path({})) as egress:
        url = EgressProxy.parse(f"http://user:secret@127.0.0.1:{egress.port}")
        network = Network(resolver=FakeResolver(names), proxy=url)
        fetcher = Fetcher(policy=AddressPolicy(), identity=Identity("0", "a@b.c"), network=network)
        async with program(fetcher) as (proxy, _session):
            for host in ("site.example", "inside.example"):
                line = f"CONNECT {host}:443" if scheme == "https" else f"GET http://{host}/"
                await raw(proxy, f"{line} HTTP/1.1\r\n\r\n".encode())
    [asked] = egress.requests
    assert asked.startswith(
        "CONNECT site.example:443" if scheme == "https" else "GET http://site.example/"
    )
    assert "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in asked
