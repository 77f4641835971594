from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from services.servicekit.encoder_folder import ENCODERS
from services.servicekit.messages import rgb_to_image
from tests.fakes.image_files import photo
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]
START_S = 30.0


@asynccontextmanager
async def embedder(folder: Path, **settings: object):
    """The process; its stderr goes to `folder`/stderr. Killed if it still runs at the end."""
    environment = {f"LODESTONE_EMBEDDER_{name}": str(value) for name, value in settings.items()}
    with (folder / "stderr").open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-m",
            "services.embedder",
            cwd=ROOT,
            env={**os.environ, "LODESTONE_DATA": str(folder / "data"), **environment},
            stdout=stdout,
            stderr=stderr,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def outcome(folder: Path, **settings: object) -> tuple[int, str]:
    """The exit status and the stderr of a start that fails."""
    async with embedder(folder, METRICS_PORT=0, **settings) as process, asyncio.timeout(START_S):
        status = await process.wait()
    assert (folder / "stdout").read_bytes() == b""
    return status, (folder / "stderr").read_text()


async def test_the_process_serves_until_it_is_told_to_stop(tmp_path):
    """Ready, embeds, counts, drains on SIGTERM although a stream is open, and exits with 0."""
    port, metrics_port = free_port(), free_port()
    async with (
        embedder(tmp_path, PORT=port, METRICS_PORT=metrics_port) as process,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = EmbedderServiceStub(channel)
        image = rgb_to_image(photo())
        answer = await stub.EmbedImages(
            pb.EmbedImagesRequest(images=[image]), wait_for_ready=True, timeout=START_S
        )
        assert len(answer.results[0].value.values) == 1280
        check = health_pb2.HealthCheckRequest(service="lodestone.embedder.v1.EmbedderService")
        async for health in health_pb2_grpc.HealthStub(channel).Watch(check, timeout=START_S):
            if health.status == health_pb2.HealthCheckResponse.SERVING:
                break
        metrics = await asyncio.to_thread(fetch, f"http://127.0.0.1:{metrics_port}/metrics")
        assert 'lodestone_embedder_calls_total{code="OK",method="EmbedImages"} 1.0' in metrics
        assert "lodestone_embedder_batch_size_bucket" in metrics

        stream = stub.StreamEmbedImages()
        await stream.write(pb.StreamEmbedImagesRequest(id="a", image=image))
        assert (await stream.read()).id == "a"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    entries = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["encoder_loaded", "ready", "draining"]
    loaded, ready, _ = entries
    assert (loaded["execution_provider"], loaded["precision"]) == ("CPUExecutionProvider", "fp32")
    assert 1 <= loaded["max_batch"] <= 32
    assert ready["address"] == f"127.0.0.1:{port}"
    assert ready["service"] == "embedder"


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


async def test_an_encoder_that_is_not_there_is_one_line(tmp_path):
    """With the names that there are, and the exit status of a start that can only fail again."""
    status, stderr = await outcome(tmp_path, ENCODER="bogus", PORT=0)

    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith("error: there is no encoder 'bogus'; there is efficientnet-lite0 (in ")


async def test_a_port_in_use_is_one_line(tmp_path):
    """With the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, stderr = await outcome(tmp_path, PORT=port)

    assert (status, stderr) == (
        78,
        f"error: cannot serve on 127.0.0.1:{port}: Address already in use\n",
    )


async def test_a_model_of_another_digest_is_one_line(tmp_path):
    """One byte too many is another file than the one that encoder.json vouches for."""
    folder = tmp_path / "mine"
    shutil.copytree(ENCODERS.bundled / "efficientnet-lite0", folder)
    with (folder / "model.onnx").open("ab") as model:
        model.write(b"\0")

    status, stderr = await outcome(tmp_path, ENCODER=folder, PORT=0)

    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith(f"error: {folder / 'model.onnx'}: its sha256 is ")


async def test_a_wrong_setting_is_one_line(tmp_path):
    """Before anything is loaded."""
    status, stderr = await outcome(tmp_path, PRECISION="bf16", PORT=0)

    assert (status, stderr) == (78, "error: LODESTONE_EMBEDDER_PRECISION: Input should be 'fp32'\n")
