from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from services.crawler.fetch.address import ForbiddenAddress
from services.crawler.fetch.guarded_connector import GuardedConnector
from services.crawler.outcome import OutcomeReason, OutcomeState
from tests.crawler.fetch.fake_resolver import FakeResolver
from tests.crawler.fetch.raw_server import RawServer, answer, says
from tests.crawler.fetch.support import failure, fetcher_for, listing, policy_for


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "①②⑦.0.0.1"),
        *("127。0。0。1", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::]"),
        *("[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "127.0.0.1."),
    ],
)
async def test_no_spelling_of_loopback_is_dialled(host: str) -> None:
    """A listener on loopback sees no connection, however its address is written."""
    async with RawServer(says(answer(b"secret")), host="") as server, fetcher_for() as fetcher:
        failed = await failure(fetcher, server.url(host=host))
    assert failed.reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert failed.state is OutcomeState.BLOCKED
    assert not failed.retryable
    assert server.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.9", "127.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1"],
    ],
)
async def test_one_forbidden_answer_spoils_a_name(addresses: list[str]) -> None:
    """A name is asked at none of its addresses if any of them is forbidden."""
    names = {"trap.example": [addresses]}
    async with (
        RawServer(says(answer(b"secret")), host="") as server,
        # The port is open on another address, so that the name is looked up at all.
        fetcher_for(f"127.0.0.9:{server.port}", names=names) as fetcher,
    ):
        failed = await failure(fetcher, server.url(host="trap.example"))
    assert failed.reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert "trap.example" in str(failed)
    assert server.connections == 0


async def test_a_rebound_name_is_dialled_where_it_was_checked() -> None:
    """A name that answers a good address first and a bad one later leads to the good one or to nothing."""
    resolver = FakeResolver({"rebound.example": [["127.0.0.2"], ["127.0.0.1"]]})
    async with (
        RawServer(says(answer(b"good")), host="127.0.0.2") as good,
        RawServer(says(answer(b"secret")), port=good.port) as bad,
    ):
        connector = GuardedConnector(policy_for(f"127.0.0.2:{good.port}"), resolver)
        url = good.url(host="rebound.example")
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get(url) as response:
                assert await response.read() == b"good"
            assert resolver.asked["rebound.example"] == 1
            connector.clear_dns_cache()
            with pytest.raises(ForbiddenAddress):
                await session.get(url)
    assert resolver.asked["rebound.example"] == 2
    assert (good.connections, bad.connections) == (1, 0)


class _CountingConnector(GuardedConnector):
    """Counts the sockets that it makes."""

    sockets = 0

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        self.sockets += 1
        return super()._open_socket(info)


class _FourOnlyConnector(GuardedConnector):
    """A machine without IPv6."""

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        if info[0] == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return super()._open_socket(info)


async def test_a_name_with_many_addresses_is_tried_at_few_of_them() -> None:
    """One listing does not knock at thousands of doors; a forbidden one behind the first still spoils the name."""
    many = [f"127.0.1.{number}" for number in range(1, 201)]
    resolver = FakeResolver({"many.example": [many], "mixed.example": [[*many, "127.0.2.1"]]})
    async with RawServer(says(answer(b"secret"))) as server:
        policy = policy_for(f"127.0.1.0/24:{server.port}")
        connector = _CountingConnector(policy, resolver)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(server.url(host="many.example"))
            tried = connector.sockets
            assert 3 <= tried <= 6
            with pytest.raises(ForbiddenAddress):
                await session.get(server.url(host="mixed.example"))
    assert connector.sockets == tried
    assert server.connections == 0


async def test_both_kinds_of_addresses_are_tried() -> None:
    """Many IPv6 addresses before the IPv4 one do not hide it."""
    sixes = [f"2606:4700::{number:x}" for number in range(1, 201)]
    resolver = FakeResolver({"both.example": [[*sixes, "127.0.0.1"]]})
    async with RawServer(says(answer(b"good"))) as server:
        allowed = [f"127.0.0.1:{server.port}", f"[2606:4700::/32]:{server.port}"]
        connector = _FourOnlyConnector(policy_for(*allowed), resolver)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(server.url(host="both.example")) as response,
        ):
            assert await response.read() == b"good"


async def test_the_socket_is_guarded_without_the_resolver() -> None:
    """An address that stands in the URL passes by the resolver, not by the socket."""
    resolver = FakeResolver({})
    async with RawServer(says(answer(b"secret"))) as server:
        connector = GuardedConnector(policy_for(), resolver)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(ForbiddenAddress):
                await session.get(server.url())
    assert server.connections == 0
    assert not resolver.asked


class _DivertedConnector(GuardedConnector):
    """Dials another port than it was told, as a hole in the stack below would."""

    to_port = 0

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        super()._open_socket(info).close()
        to_port = self.to_port

        class Diverted(socket.socket):
            def connect(self, address: object) -> None:
                super().connect(("127.0.0.1", to_port))

        return Diverted(socket.AF_INET, socket.SOCK_STREAM)


async def test_the_peer_is_checked_before_anything_is_sent() -> None:
    """If a connection ends up elsewhere all the same, not one byte of the request is sent there."""
    async with RawServer(says(answer(b"secret"))) as inner, RawServer(says(answer(b"x"))) as server:
        connector = _DivertedConnector(policy_for(f"127.0.0.1:{server.port}"), FakeResolver({}))
        connector.to_port = inner.port
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(ForbiddenAddress):
                await session.get(server.url())
    assert inner.requests == []
    assert server.connections == 0


async def test_kept_connections_serve_again() -> None:
    """A connection that the server keeps open is used for the next request."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        # robots.txt, then the two listings.
        for _ in range(3):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(b"x", headers={"Connection": "keep-alive"}))
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, fetcher_for(port) as fetcher:
        for _ in range(2):
            fetched = await fetcher.fetch(listing(f"http://127.0.0.1:{port}/"))
            assert fetched.encoded == b"x"
    assert connections == 1
