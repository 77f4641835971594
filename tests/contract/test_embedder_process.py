from __future__ import annotations

import asyncio
import json
import os
import re
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
from prometheus_client.parser import text_string_to_metric_families

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from lodestone.image.v1 import embedding_pb2
from services.servicekit.encoder_folder import ENCODERS
from services.servicekit.inference.onnxruntime_backend import has_cuda
from services.servicekit.messages import rgb_to_image
from tests.fakes.image_files import photo
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]
START_S = 60.0


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
        f"error: cannot serve on 127.0.0.1:{port} (LODESTONE_EMBEDDER_PORT): Address already in use\n",
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
    status, stderr = await outcome(tmp_path, PRECISION="int8", PORT=0)

    cause = "Input should be 'fp32', 'fp16' or 'bf16'"
    assert (status, stderr) == (78, f"error: LODESTONE_EMBEDDER_PRECISION: {cause}\n")


@pytest.mark.skipif(has_cuda(), reason="ONNX Runtime has CUDA here")
async def test_a_gpu_that_is_not_there_is_one_line(tmp_path):
    """The CPU does not stand in for it; the line says what brings it."""
    status, stderr = await outcome(tmp_path, BACKEND="cuda", PORT=0)

    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith("error: backend 'cuda' needs ")
    assert "'.[gpu]'" in line


def documented_metrics() -> list[str]:
    """The names of the table in docs/embedder.md."""
    section = (ROOT / "docs" / "embedder.md").read_text().partition("\n## Metrics\n")[2]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]


async def samples_of(port: int) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and values on /metrics by name, without the first two words."""
    text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            name = one.name.removeprefix("lodestone_embedder_")
            found.setdefault(name, []).append((one.labels, one.value))
    return found


async def test_what_computes_and_the_documented_metrics_are_shown(tmp_path):
    """By GetEncoder and /metrics, with `auto` and with a cache, where the second call finds its image."""
    port, metrics_port = free_port(), free_port()
    settings = {"BACKEND": "auto", "CACHE_BYTES": 1_000_000}
    async with (
        embedder(tmp_path, PORT=port, METRICS_PORT=metrics_port, **settings),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = EmbedderServiceStub(channel)
        request = pb.EmbedImagesRequest(images=[rgb_to_image(photo())])
        for _ in range(2):
            await stub.EmbedImages(request, wait_for_ready=True, timeout=START_S)
        encoder = (await stub.GetEncoder(pb.GetEncoderRequest(), timeout=START_S)).encoder
        samples = await samples_of(metrics_port)

    provider = "CUDAExecutionProvider" if has_cuda() else "CPUExecutionProvider"
    assert encoder.execution_provider == provider
    assert encoder.precision == embedding_pb2.PRECISION_FP32
    labels = {"execution_provider": provider, "precision": "fp32", "model": encoder.name}
    assert samples["backend_info"] == [(labels, 1.0)]

    names = documented_metrics()
    assert {"images_total", "queue_depth", "backend_info", "cache_bytes"} <= set(names)
    missing = [name for name in names if not {name, f"{name}_bucket"} & samples.keys()]
    assert missing == []
    own = {re.sub("_(bucket|count|sum|created)$", "", name) for name in samples}
    own = {name for name in own if not name.startswith("process_")}
    assert own - set(names) - {name.removesuffix("_total") for name in names} == set()
    assert ({"result": "hit"}, 1.0) in samples["cache_lookups_total"]
    assert ({"outcome": "cached"}, 1.0) in samples["images_total"]
    assert ({"outcome": "computed"}, 1.0) in samples["images_total"]
