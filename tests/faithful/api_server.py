"""A server on loopback that a faithful API is written on: it counts who comes and misbehaves when told to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request, and when it came, in seconds that only grow."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw_path: str
    time: float


@dataclass(frozen=True)
class Scripted:
    """An answer for the next request, whatever it asks for."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


HTML = Scripted(body=b"<!doctype html><html><title>Error</title></html>", content_type="text/html")
DEEP = Scripted(body=b'{"a":' * 10_000 + b"1" + b"}" * 10_000)
NO_OBJECT = Scripted(body=b"[1, 2]")


def large(start: bytes, end: bytes, size: int = 9_900_000) -> Scripted:
    """JSON of nearly ten megabytes."""
    return Scripted(body=start + b"x" * (size - len(start) - len(end)) + end)


class ApiServer:
    """Use it as an async context manager, or in a test without a loop with `in_thread`.

    Attributes:
        asked: The requests so far.
        scripted: Answers for the next requests instead of the real ones.
        busiest: How many requests were under way at once, at most.
    """

    def __init__(self):
        self.asked = []
        self.scripted = deque()
        self.busiest = 0
        self.port = 0
        self._active = 0

    def answer(self, request: web.Request) -> web.Response:
        """What this API answers."""
        raise NotImplementedError

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self):
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _handle(self, request):
        if request.path == "/robots.txt":
            return web.Response(status=404)
        self._active += 1
        self.busiest = max(self.busiest, self._active)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            query = dict(request.query)
            now = asyncio.get_running_loop().time()
            self.asked.append(Asked(request.path, query, headers, request.raw_path, now))
            if self.scripted:
                return _response(self.scripted.popleft())
            return self.answer(request)
        finally:
            self._active -= 1


def _response(scripted):
    return web.Response(
        status=scripted.status,
        body=scripted.body,
        headers={"Content-Type": scripted.content_type, **scripted.headers},
    )


def json_response(body, *, status=200, headers=None):
    return web.Response(
        status=status,
        text=json.dumps(body),
        content_type="application/json",
        headers=headers or {},
    )


@contextmanager
def in_thread(server):
    """Runs a server in a thread with a loop of its own while the block does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
