"""A web of many hosts, each at an address of its own, that take their time and remember when they were asked."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict

from aiohttp import web

from tests.fakes.ports import free_port


class SlowHosts:
    """Serves `/N` at 127.0.1.1, 127.0.1.2, …: file N modulo their count.

    Attributes:
        asked: When each host was asked for an image, seconds of a monotonic clock, by host.
        most_at_once: How many requests one host had under way at most.
    """

    def __init__(self, count, files, *, latency_s):
        self.hosts = [f"127.0.1.{number + 1}" for number in range(count)]
        self.asked = defaultdict(list)
        self.most_at_once = 0
        self._files, self._latency_s = files, latency_s
        self._active = defaultdict(int)
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def addresses(self):
        """Where each host is."""
        return [f"{host}:{self._port}" for host in self.hosts]

    def urls(self, each):
        """So many addresses of each host, the hosts by turns."""
        return [
            f"http://{address}/{number}" for number in range(each) for address in self.addresses
        ]

    def __enter__(self):
        self._thread.start()
        self._runner = self._run(self._serve())
        return self

    def __exit__(self, *_):
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _serve(self):
        application = web.Application()
        application.router.add_get(r"/{number:\d+}", self._answer)
        runner = web.AppRunner(application)
        await runner.setup()
        for host in self.hosts:
            await web.TCPSite(runner, host, self._port).start()
        return runner

    async def _answer(self, request):
        host = request.host.partition(":")[0]
        self.asked[host].append(time.monotonic())
        self._active[host] += 1
        self.most_at_once = max(self.most_at_once, self._active[host])
        await asyncio.sleep(self._latency_s)
        self._active[host] -= 1
        return web.Response(body=self._files[int(request.match_info["number"]) % len(self._files)])
