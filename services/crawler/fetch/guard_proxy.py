"""A proxy on loopback for a program that asks the web itself: whatever it wants to reach passes the guard first."""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import structlog
from yarl import URL

from services.crawler.fetch.failure import REQUEST_ERRORS, failure_of
from services.crawler.fetch.guarded_connector import Streams
from services.crawler.fetch.identity import ContactMissing
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.proxy_request import BadProxyRequest, ProxyRequest, read_request
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason

_USER = "lodestone"
_CHUNK_BYTES = 65_536
# How many times its connections may be open before they have said who they are.
_STRANGERS = 4
# Of the connection to the program, not of the answer (RFC 9110, 7.6.1).
_HOP_HEADERS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"}
)


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """What one program may use.

    Attributes:
        connections: Connections at a time; more are refused.
        head_s: How long a request's head may take, seconds.
        idle_s: A connection over which nothing goes for so long is closed, seconds.
        connection_s: How long one connection may last, seconds.
        max_bytes: Bytes in both directions, over all connections.
    """

    connections: int = 8
    head_s: float = 10.0
    idle_s: float = 60.0
    connection_s: float = 600.0
    max_bytes: int = 500_000_000


@dataclass(frozen=True, slots=True)
class GuardedWay:
    """How the proxy reaches the web.

    Attributes:
        check: Passes a URL before its name is looked up; raises FetchFailed or ContactMissing.
        check_name: Passes the name in a URL that somebody else will look up.
        open_tunnel: Connects to the host of a URL.
        open_session: Opens a session over the guarded connector.
        limits: For the sentences of failures.
        user_agent: What the program must call itself.
    """

    check: Callable[[WebUrl], None]
    check_name: Callable[[WebUrl], Awaitable[None]]
    open_tunnel: Callable[[WebUrl], Awaitable[Streams]]
    open_session: Callable[[], aiohttp.ClientSession]
    limits: FetchLimits
    user_agent: str


class _TooManyBytes(Exception):
    """The program has used up its bytes."""


class GuardProxy:
    """Serves HTTP and CONNECT on a random port of 127.0.0.1, to whoever has its secret; an async context manager.

    One request a connection: plain HTTP is asked for here, so that it cannot smuggle a second one to another host; a
    tunnel is bytes to an address that passed. Leaving closes everything.

    Attributes:
        refusal: The last thing that was refused, as an error; None if nothing was.
        user_agent: What the program must call itself.
    """

    def __init__(self, way: GuardedWay, limits: ProxyLimits | None = None) -> None:
        """Takes the way out and its bounds."""
        self._way = way
        self._limits = limits or ProxyLimits()
        self._secret = secrets.token_urlsafe(24)
        token = base64.b64encode(f"{_USER}:{self._secret}".encode()).decode()
        self._authorization = f"Basic {token}"
        self._bytes_left = self._limits.max_bytes
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()
        self.refusal: FetchFailed | ContactMissing | None = None
        self.user_agent = way.user_agent

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK_BYTES)
        self._session = self._way.open_session()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    @property
    def url(self) -> str:
        """What the program must be told, with the secret."""
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{_USER}:{self._secret}@127.0.0.1:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.timeout(self._limits.connection_s):
                await self._answer(reader, writer)
        except (TimeoutError, ConnectionError, _TooManyBytes) as error:
            self._log.debug("guard_proxy_connection_ended", cause=repr(error))
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) > _STRANGERS * self._limits.connections:
            return
        try:
            async with asyncio.timeout(self._limits.head_s):
                request = await read_request(reader)
        except BadProxyRequest as error:
            await _say(writer, error.status, str(error))
            return
        told = request.authorization.encode("utf-8", "replace")
        if not hmac.compare_digest(told, self._authorization.encode()):
            await _say(writer, 407, "this proxy is not yours")
            return
        if len(self._tasks) > self._limits.connections:
            await _say(writer, 503, "too many connections")
            return
        await self._answer_known(request, (reader, writer))

    async def _answer_known(self, request: ProxyRequest, streams: Streams) -> None:
        try:
            url = parse_url(request.url)
            self._way.check(url)
            if request.is_tunnel:
                await self._serve_tunnel(url, streams)
            else:
                await self._serve_request(request, url, streams[1])
        except BadUrl as error:
            await self._refuse(FetchFailed(OutcomeReason.BAD_URL, str(error)), streams[1])
        except (FetchFailed, ContactMissing) as error:
            await self._refuse(error, streams[1])

    async def _refuse(
        self, error: FetchFailed | ContactMissing, writer: asyncio.StreamWriter
    ) -> None:
        forbidden = (OutcomeReason.FORBIDDEN_ADDRESS, OutcomeReason.BAD_URL)
        is_rule = isinstance(error, ContactMissing) or error.reason in forbidden
        self._log.warning(
            "guard_proxy_refused" if is_rule else "guard_proxy_failed", cause=str(error)
        )
        if is_rule:
            self.refusal = error
        await _say(writer, 403 if is_rule else 502, str(error))

    async def _serve_tunnel(self, url: WebUrl, streams: Streams) -> None:
        try:
            async with asyncio.timeout(self._way.limits.connect_s):
                far_reader, far_writer = await self._way.open_tunnel(url)
        except REQUEST_ERRORS as error:
            raise failure_of(error, url, self._way.limits) from error
        reader, writer = streams
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.timeout(self._limits.idle_s) as idle, asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, idle))
                group.create_task(self._pump(far_reader, writer, idle))
        except* (ConnectionError, _TooManyBytes) as errors:
            self._log.debug("guard_proxy_tunnel_ended", host=url.host, cause=repr(errors))
        finally:
            far_writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: asyncio.Timeout
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            self._count(len(chunk))
            idle.reschedule(asyncio.get_running_loop().time() + self._limits.idle_s)
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _serve_request(
        self, request: ProxyRequest, url: WebUrl, writer: asyncio.StreamWriter
    ) -> None:
        begun = False
        try:
            await self._way.check_name(url)
            async with self._session.request(
                request.method,
                URL(url.text, encoded=True),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
            ) as response:
                writer.write(_head(response))
                begun = True
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    self._count(len(chunk))
                    writer.write(chunk)
                    await writer.drain()
        except REQUEST_ERRORS as error:
            if begun:
                # Cut off without an end, so that the program notices.
                writer.transport.abort()
                return
            raise failure_of(error, url, self._way.limits) from error

    def _count(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            message = f"more than {self._limits.max_bytes:,} bytes went through the proxy"
            self.refusal = FetchFailed(OutcomeReason.TOO_MANY_BYTES, message)
            raise _TooManyBytes


def _head(response: aiohttp.ClientResponse) -> bytes:
    """The answer's head as it came, but for what belongs to the connection: this one ends with the answer."""
    lines = [f"HTTP/1.1 {response.status} {response.reason or ''}"]
    for name, value in response.headers.items():
        if name.lower() not in _HOP_HEADERS:
            lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "surrogateescape")


async def _say(writer: asyncio.StreamWriter, status: int, sentence: str) -> None:
    body = f"{sentence}\n".encode()
    wanted = "Proxy-Authenticate: Basic\r\n" if status == 407 else ""
    head = f"HTTP/1.1 {status} Refused\r\n{wanted}Content-Type: text/plain\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
