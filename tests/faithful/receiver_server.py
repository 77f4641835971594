"""A server on loopback that things are posted to: it counts, and fails in the ways that networks and servers do."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from aiohttp import web

# Faults, for one request each. Before or after the server has done what it was asked, the connection is cut; or it has
# done it and holds the answer back until the test lets go.
CUT_BEFORE, CUT_AFTER, HOLD = "cut before", "cut after", "hold"


@dataclass(frozen=True)
class Says:
    """A fault: another answer than the real one."""

    status: int
    text: str = ""
    retry_after: str = ""


class ReceiverServer:
    """Use it as an async context manager; it listens on the same port each time.

    Attributes:
        faults: What goes wrong with the next requests.
        request_count: Requests so far.
        busiest: How many were under way at once, at most.
        holding: Set while an answer is held back; `release` lets it go.
    """

    def __init__(self):
        self.faults = deque()
        self.request_count = 0
        self.busiest = 0
        self.port = 0
        self.holding = asyncio.Event()
        self.release = asyncio.Event()
        self._active = 0
        self._ending = asyncio.Event()

    async def receive(self, request: web.Request) -> web.Response:
        """What this receiver does and answers."""
        raise NotImplementedError

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self):
        self._ending.clear()
        application = web.Application(client_max_size=100_000_000)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        self._ending.set()
        self.release.set()
        await self._runner.cleanup()

    async def say_nothing(self):
        """Keeps the client waiting until the server ends."""
        await self._ending.wait()
        return web.Response()

    async def _handle(self, request):
        self.request_count += 1
        self._active += 1
        self.busiest = max(self.busiest, self._active)
        try:
            return await self._answer(request, self.faults.popleft() if self.faults else None)
        finally:
            self._active -= 1

    async def _answer(self, request, fault):
        if isinstance(fault, Says):
            await request.read()
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            return web.Response(status=fault.status, text=fault.text, headers=headers)
        if fault == CUT_BEFORE:
            await request.read()
            request.transport.abort()
            return web.Response()
        answer = await self.receive(request)
        if fault == CUT_AFTER:
            request.transport.abort()
        if fault == HOLD:
            self.holding.set()
            await self.release.wait()
            self.holding.clear()
        return answer
