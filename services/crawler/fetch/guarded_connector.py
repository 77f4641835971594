"""Connections that the address policy has passed: every DNS answer, the address dialled, and the peer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from services.crawler.fetch.address import AddressPolicy

_RESOLVER_THREADS = 16


class SystemResolver(AbstractResolver):
    """`getaddrinfo` in threads of its own, so that slow name servers hold up nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of a name, in the system's order."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _addresses, host, port, family
        )
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=answer_family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for answer_family, address in found
        ]

    async def close(self) -> None:
        """Lets the threads go; lookups that are under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


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
    ) -> None:
        super().__init__(
            resolver=_GuardedResolver(policy, resolver),
            socket_factory=self._open_socket,
            ssl=tls or True,
            # The fetcher limits connections itself: there, waiting for one costs no time of the deadline.
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
            if peer is not None:
                self._policy.check(*peer[:2])
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        self._policy.check(str(address[0]), int(address[1]))
        return socket.socket(family, kind, protocol)


class _GuardedResolver(AbstractResolver):
    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The answers; one forbidden answer spoils all, since a client could be led to any of them."""
        answers = await self._resolver.resolve(host, port, family)
        if not answers:
            raise OSError(None, f"{host} has no address")
        self._policy.check_all((answer["host"] for answer in answers), port)
        return answers

    async def close(self) -> None:
        await self._resolver.close()


def _addresses(
    host: str, port: int, family: socket.AddressFamily
) -> list[tuple[socket.AddressFamily, str]]:
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [(info[0], str(info[4][0])) for info in infos]
