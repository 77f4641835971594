"""Replicas of a real service behind one name, as a headless Service of Kubernetes has them.

Each is a process with an address of its own, on the one port that all have; one that takes another's place has a new
address. The name server knows those that are ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.crawler.fetch.dns_server import DnsServer
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]
_START_S = 90.0
_END_S = 40.0
_numbers = itertools.count(2)


class Replica:
    """One process.

    Attributes:
        host: Its address, of loopback.
        process: Itself.
    """

    def __init__(self, word, port, environment, log):
        number = next(_numbers)
        self.host = f"127.0.{number // 250}.{number % 250 + 1}"
        self.address = f"{self.host}:{port}"
        own = {"HOST": self.host, "PORT": str(port), "METRICS_PORT": "0", "DRAIN_S": "20"}
        named = {f"LODESTONE_{word.upper()}_{name}": value for name, value in own.items()}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{word}"], cwd=ROOT,
                env=os.environ | environment(self.host) | named,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    async def ready(self):
        """Returns when it says so."""
        async with asyncio.timeout(_START_S), grpc.aio.insecure_channel(self.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), wait_for_ready=True)
            async for update in watch:
                if update.status == health_pb2.HealthCheckResponse.SERVING:
                    return

    async def end(self):
        """Tells it to end; returns its status."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, _END_S)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Replicas:
    """All of a service.

    Args:
        word: The service.
        names: The name server's table.
        log: The output of all.
        environment: Makes the variables of the one with an address.

    Attributes:
        running: The replicas.
        port: Of all.
    """

    def __init__(self, word, names, log, environment):
        self._word, self._log, self._environment = word, log, environment
        self.port = free_port()
        self.running: list[Replica] = []
        self._started: list[Replica] = []
        self._known = names[f"{word}.test"][0]

    async def start(self, count):
        """So many more, which the name server knows once they are ready."""
        new = [Replica(self._word, self.port, self._environment, self._log) for _ in range(count)]
        self._started += new
        await asyncio.gather(*(one.ready() for one in new))
        self.running += new
        self._known += [one.host for one in new]

    async def replace_each(self):
        """A rolling restart: one is started, then one of the old ends, and so on, without a pause."""
        for old in tuple(self.running):
            await self.start(1)
            self.running.remove(old)
            self._known.remove(old.host)
            assert await old.end() == 0, self._log.read_text()[-2_000:]

    def kill(self):
        for one in self._started:
            one.kill()


@contextlib.asynccontextmanager
async def replicas(word, count, folder, environment=lambda _: {}):
    """Starts so many; yields them, and the target for `connect`."""
    table = {f"{word}.test": [[]]}
    async with DnsServer(table) as names:
        found = Replicas(word, table, folder / f"{word}.log", environment)
        try:
            await found.start(count)
            yield found, f"dns://127.0.0.1:{names.port}/{word}.test:{found.port}"
        finally:
            found.kill()
