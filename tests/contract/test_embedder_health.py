"""An embedder whose network hangs or fails says so, and ends for its supervisor to start it again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from services.servicekit.messages import rgb_to_image
from services.servicekit.server import EXIT_BROKEN, LIVENESS
from tests.fakes.ports import free_port

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
GREY, WHITE = (rgb_to_image(np.full((64, 64, 3), level, np.uint8)) for level in (90, 255))


async def becomes(stub: health_pb2_grpc.HealthStub, status: int, *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), wait_for_ready=True)
        async for update in watch:
            if update.status == status:
                break
        watch.cancel()


@pytest.fixture(params=["hangs", "raises", "raises-at-four"])
def embedder(request, tmp_path):
    """A process, and where it serves; limits are the defaults but for the last one."""
    port = free_port()
    settings = {
        "LODESTONE_EMBEDDER_PORT": f"{port}",
        "LODESTONE_EMBEDDER_METRICS_PORT": "0",
        "LODESTONE_EMBEDDER_GIVES_UP_S": "2",
        "LODESTONE_EMBEDDER_DRAIN_S": "1",
        # Four images of one call are one batch.
        "LODESTONE_EMBEDDER_MAX_DELAY_S": "0.5",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.broken_embedder", request.param],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )
    yield process, f"127.0.0.1:{port}", tmp_path / "log"
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


async def test_a_network_that_breaks_is_told_in_5_s_and_ends_the_process(embedder):
    """While it is broken the process is still alive, and whoever waits is told before it ends."""
    process, address, log = embedder
    async with grpc.aio.insecure_channel(address) as channel:
        health, stub = health_pb2_grpc.HealthStub(channel), EmbedderServiceStub(channel)
        await becomes(health, SERVING, within_s=60)
        await stub.EmbedImages(pb.EmbedImagesRequest(images=[GREY]))

        call = stub.EmbedImages(pb.EmbedImagesRequest(images=[WHITE] * 4))
        # Of the 5 s that are promised; the rest is what a busy machine may take.
        await becomes(health, NOT_SERVING, within_s=5.0 + 10.0)
        alive = await health.Check(health_pb2.HealthCheckRequest(service=LIVENESS))
        assert alive.status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)

    status = await asyncio.to_thread(process.wait, 60)
    assert status == EXIT_BROKEN, log.read_text()
    assert '"event": "giving_up"' in log.read_text()


async def test_a_process_whose_network_hangs_ends_when_it_is_told_to(embedder):
    """SIGTERM before it gives up by itself: nobody waits for a thread that does not come back."""
    process, address, log = embedder
    async with grpc.aio.insecure_channel(address) as channel:
        health, stub = health_pb2_grpc.HealthStub(channel), EmbedderServiceStub(channel)
        await becomes(health, SERVING, within_s=60)
        call = stub.EmbedImages(pb.EmbedImagesRequest(images=[WHITE] * 4))
        async with asyncio.timeout(60):
            while "network is broken" not in log.read_text():
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.wait, 60)
        assert (await call.code()) is not grpc.StatusCode.OK

    assert status in (0, EXIT_BROKEN), log.read_text()
