"""A server on loopback that answers whatever bytes a test wants, and counts who comes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

Respond = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def answer(
    body: bytes = b"", *, status: str = "200 OK", headers: Mapping[str, str] | None = None
) -> bytes:
    """A whole HTTP/1.1 answer; Content-Length is right unless stated."""
    fields = {"Content-Length": str(len(body)), "Connection": "close"} | dict(headers or {})
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(*pieces: bytes) -> Respond:
    """A response that does not depend on the path."""

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return respond


def by_path(answers: Mapping[str, bytes]) -> Respond:
    """One answer for each path; 404 for others."""

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.get(path, answer(status="404 Not Found")))

    return respond


async def hang(_path: str, writer: asyncio.StreamWriter) -> None:
    """Sends what was written and then nothing, until the client goes."""
    await writer.drain()
    await asyncio.Event().wait()


class RawServer:
    """An async context manager; `connections`, `requests` and their `times` say what it saw, robots.txt apart.

    `robots` answers those; by default there is no robots.txt. `first` answers the first bytes, whatever they are,
    and ends the connection.
    """

    def __init__(
        self,
        respond: Respond,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        robots: bytes | Respond | None = None,
        first: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._respond = respond
        absent = says(answer(status="404 Not Found"))
        self._robots = (
            absent if robots is None else says(robots) if isinstance(robots, bytes) else robots
        )
        self._first = first
        self._host = host
        self._tls = tls
        self.port = port
        self.connections = 0
        self.busiest = 0
        self.requests: list[str] = []
        self.times: list[float] = []
        self.robots_requests: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, self._host, self.port, ssl=self._tls, backlog=200
        )
        self.port = self._server.sockets[0].getsockname()[1]
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
        await self._server.wait_closed()

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.busiest = max(self.busiest, len(self._tasks))
        try:
            if self._first is not None:
                writer.write(self._first(await reader.read(65_536)))
                await writer.drain()
                return
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if head.startswith("GET /robots.txt "):
                self.connections -= 1
                self.robots_requests.append(head)
                await self._robots("/robots.txt", writer)
                await writer.drain()
                return
            self.requests.append(head)
            self.times.append(asyncio.get_running_loop().time())
            await self._respond(head.split(" ")[1], writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
