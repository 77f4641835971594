"""Connections that the address policy has passed: every DNS answer, the address dialled, and the peer."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from contextvars import ContextVar
from typing import Any, TypeAlias

import aiohttp
from aiohttp import AsyncResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from services.crawler.fetch.address import AddressPolicy
from services.crawler.fetch.egress_proxy import EgressProxy
from services.servicekit.errors import LodestoneError

_LOOKUP_S = 2.0
_LOOKUP_TRIES = 2
# Wrong for at most so long; aiohttp remembers at most 1,000 names, and looks a name up once for all who wait.
_NAME_CACHE_S = 300
# Of a name, IPv4 and IPv6 each: one with thousands would have us knock at each. aiohttp 3.14 tries n of them up to
# n × (n + 1) / 2 times.
_ADDRESSES_MAX = 3
# RFC 6761, 6.3: this name never needs a name server.
_LOCALHOST = ("localhost", ".localhost")

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_peer: ContextVar[str] = ContextVar("peer", default="")


class NameUnresolved(LodestoneError):
    """A name that a proxy was to dial has no address.

    Attributes:
        cause: Why.
    """

    def __init__(self, host: str, cause: str) -> None:
        super().__init__(f"the name {host} does not resolve: {cause}")
        self.cause = cause


def peer_address() -> str:
    """The IP address that this task's last request was sent to; empty if there was none."""
    return _peer.get()


def forget_peer() -> None:
    """Lets the task begin anew: it has asked nobody."""
    _peer.set("")


def name_resolver() -> AbstractResolver:
    """Asks the system's name servers over sockets of its own, so that slow ones hold up nothing else.

    c-ares answers (no threads, no search domains), each try within its time. Needs a running event loop.
    """
    return AsyncResolver(timeout=_LOOKUP_S, tries=_LOOKUP_TRIES, domains=[])


class GuardedConnector(aiohttp.TCPConnector):
    """A connector that dials nothing that the policy forbids.

    A resolver alone would not see the IP addresses that stand in URLs, and a check before the lookup would not see what
    a second lookup answers: so the answers are checked, then the very address that a socket is made for, then the peer.
    Its errors are those of `AddressPolicy.check`.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        resolver: AbstractResolver,
        *,
        tls: ssl.SSLContext | None = None,
        proxy: EgressProxy | None = None,
    ) -> None:
        """Takes the policy, what looks names up, the certificate authorities, and the one proxy that may be dialled."""
        self._names = _GuardedResolver(policy, resolver, proxy)
        super().__init__(
            resolver=self._names,
            socket_factory=self._open_socket,
            ssl=tls or True,
            ttl_dns_cache=_NAME_CACHE_S,
            # The paces limit connections: there, waiting for one costs no time of the deadline.
            limit=0,
        )
        self._policy = policy

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Connects, or takes a kept connection, and checks who is at the other end before anything is sent."""
        connection = await super().connect(req, traces, timeout)
        try:
            peer = connection.transport.get_extra_info("peername") if connection.transport else None
            self._check_peer(peer)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        self._check(str(address[0]), int(address[1]))
        return socket.socket(family, kind, protocol)

    async def check_name(self, host: str, port: int) -> None:
        """Looks up a name that a proxy will dial, and passes it if each answer passes.

        Raises:
            NameUnresolved: It has no address.
            ForbiddenAddress, ForbiddenPort: An answer must not be asked.
        """
        try:
            await self._names.resolve(host, port)
        except OSError as error:
            raise NameUnresolved(host, error.strerror or type(error).__name__) from error

    async def dial(self, host: str, port: int) -> Streams:
        """Opens a connection for bytes that are not ours; its addresses are tried in turn.

        Raises:
            OSError: It does not resolve, or nobody answers.
            ForbiddenAddress, ForbiddenPort: An address, or who is at the other end, must not be asked.
        """
        failed: OSError = ConnectionError(f"{host} has no address")
        for address in await self._addresses(host, port):
            self._check(address, port)
            try:
                reader, writer = await asyncio.open_connection(address, port)
            except OSError as error:
                failed = error
                continue
            try:
                self._check_peer(writer.get_extra_info("peername"))
            except BaseException:
                writer.close()
                raise
            return reader, writer
        raise failed

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            return [answer["host"] for answer in await self._names.resolve(host, port)]

    def _check_peer(self, peer: tuple[Any, ...] | None) -> None:
        if peer is None:
            raise ConnectionResetError(None, "the connection was closed at once")
        self._check(*peer[:2])
        _peer.set(str(peer[0]))

    def _check(self, address: str, port: int) -> None:
        if not self._names.is_proxy(address, port):
            self._policy.check(address, port)


class _GuardedResolver(AbstractResolver):
    def __init__(
        self, policy: AddressPolicy, resolver: AbstractResolver, proxy: EgressProxy | None
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._proxy = proxy
        self._proxy_addresses = {proxy.host} if proxy else set()

    def is_proxy(self, address: str, port: int) -> bool:
        return (
            self._proxy is not None
            and port == self._proxy.port
            and address in self._proxy_addresses
        )

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The answers; one forbidden answer spoils all, since a client could be led to any of them."""
        if is_loopback_name(host):
            answers = [_loopback(host, port)]
        else:
            answers = await self._resolver.resolve(host, port, family)
        if not answers:
            raise OSError(None, f"{host} has no address")
        if self._proxy is not None and (host, port) == (self._proxy.host, self._proxy.port):
            self._proxy_addresses.update(answer["host"] for answer in answers)
            return answers
        self._policy.check_all((answer["host"] for answer in answers), port)
        return _first_of_each_family(answers)

    async def close(self) -> None:
        await self._resolver.close()


def _first_of_each_family(answers: list[ResolveResult]) -> list[ResolveResult]:
    first: list[ResolveResult] = []
    for answer in answers:
        if sum(other["family"] == answer["family"] for other in first) < _ADDRESSES_MAX:
            first.append(answer)
    return first


def is_loopback_name(host: str) -> bool:
    """Whether a name is `localhost` or below it: this machine, whatever a name server says (RFC 6761, 6.3)."""
    return host == _LOCALHOST[0] or host.endswith(_LOCALHOST[1])


def _loopback(host: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host="127.0.0.1",
        port=port,
        family=socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )
