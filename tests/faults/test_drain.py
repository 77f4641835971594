"""A real service that is told to end under load, beside a replica of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from lodestone.client import connect
from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from services.servicekit.messages import rgb_to_image
from tests.crawler.pictures import scene
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]
_CALLERS = 4
_START_S = 60.0


@contextmanager
def embedder(port, log):
    """A process with the bundled encoder."""
    settings = {"PORT": str(port), "METRICS_PORT": "0", "MAX_BATCH": "4", "DRAIN_S": "10"}
    named = {f"LODESTONE_EMBEDDER_{name}": value for name, value in settings.items()}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.embedder"],
            cwd=ROOT, env=os.environ | named, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_replica_that_drains(tmp_path):
    """Status 0, what it has begun is answered, and no call of a client fails."""
    request = pb.EmbedImagesRequest(images=[rgb_to_image(scene(1, width_px=64, height_px=48))])
    ports, log = [free_port(), free_port()], tmp_path / "embedder.log"
    answered, failures, ending = [], [], asyncio.Event()

    async def call(stub):
        while not ending.is_set():
            try:
                await stub.EmbedImages(request, timeout=20)
                answered.append(1)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                failures.append(error)

    async def more(count):
        target = len(answered) + count
        async with asyncio.timeout(_START_S):
            while len(answered) < target:
                await asyncio.sleep(0.01)

    with embedder(ports[0], log) as first, embedder(ports[1], log):
        for port in ports:
            async with connect(f"127.0.0.1:{port}") as channel:
                stub = EmbedderServiceStub(channel)
                await stub.GetEncoder(pb.GetEncoderRequest(), wait_for_ready=True, timeout=_START_S)
        async with connect(f"ipv4:///127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}") as channel:
            stub = EmbedderServiceStub(channel)
            callers = [asyncio.create_task(call(stub)) for _ in range(_CALLERS)]
            await more(20)
            first.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.wait, 20) == 0
            await more(20)
            ending.set()
            await asyncio.gather(*callers)
    assert failures == []
