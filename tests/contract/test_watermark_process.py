from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lodestone.image.v1 import verdict_pb2
from lodestone.watermark.v1 import watermark_service_pb2 as pb
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceStub
from services.servicekit.embedding import Precision
from services.servicekit.messages import rgb_to_image
from services.watermark.detector_folder import DETECTORS, HeadEncoder
from tests.fakes.image_files import photo
from tests.fakes.onnx_files import FLOAT, cast_model
from tests.fakes.ports import free_port, free_ports
from tests.servicekit.onnx_bytes import EXTERNAL, INITIALIZER, message, model, tensor
from tests.watermark.heads import head_folder, head_model, write_head

ROOT = Path(__file__).parents[2]
START_S = 60.0


@asynccontextmanager
async def watermark(folder: Path, **settings: object):
    """The process; its stderr goes to `folder`/stderr. Killed if it still runs at the end."""
    environment = {f"LODESTONE_WATERMARK_{name}": str(value) for name, value in settings.items()}
    with (folder / "stderr").open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-m",
            "services.watermark",
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
    async with watermark(folder, METRICS_PORT=0, PORT=0, **settings) as process:
        async with asyncio.timeout(START_S):
            status = await process.wait()
    assert (folder / "stdout").read_bytes() == b""
    return status, (folder / "stderr").read_text()


async def until_serving(channel: grpc.aio.Channel) -> None:
    check = health_pb2.HealthCheckRequest(service="lodestone.watermark.v1.WatermarkService")
    async for health in health_pb2_grpc.HealthStub(channel).Watch(check, timeout=START_S):
        if health.status == health_pb2.HealthCheckResponse.SERVING:
            return


async def test_the_process_serves_until_it_is_told_to_stop(tmp_path):
    """Ready, detects with the bundled detector, drains on SIGTERM and exits with 0."""
    port = free_port()
    async with (
        watermark(tmp_path, PORT=port, METRICS_PORT=0, THRESHOLD=1) as process,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = WatermarkServiceStub(channel)
        request = pb.DetectWatermarksRequest(images=[rgb_to_image(photo())])
        answer = await stub.DetectWatermarks(request, wait_for_ready=True, timeout=START_S)
        await until_serving(channel)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0

    [result] = answer.results
    assert (result.value.threshold, result.value.verdict) == (1, verdict_pb2.VERDICT_ACCEPTED)
    assert len(result.value.quadrant_probabilities) == 4
    entries = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["ready", "draining"]
    assert entries[0]["service"] == "watermark"


async def test_a_detector_that_is_not_there_is_one_line(tmp_path):
    """With the names that there are, and the exit status of a start that can only fail again."""
    status, stderr = await outcome(tmp_path, DETECTOR="bogus")

    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith("error: there is no detector 'bogus'; there is quadrant-tiles")


def described(folder: Path, content: bytes) -> Path:
    """The bundled detector's folder with another model, and a description that fits that."""
    shutil.copytree(DETECTORS.bundled / "quadrant-tiles", folder)
    facts = json.loads((folder / "detector.json").read_text())
    facts["detector_id"] = hashlib.sha256(content).hexdigest()
    (folder / "detector.json").write_text(json.dumps(facts))
    (folder / "model.onnx").write_bytes(content)
    return folder


async def test_a_model_of_another_digest_is_one_line(tmp_path):
    """One byte too many is another file than the one that detector.json vouches for."""
    folder = tmp_path / "mine"
    shutil.copytree(DETECTORS.bundled / "quadrant-tiles", folder)
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")

    status, stderr = await outcome(tmp_path, DETECTOR=folder)

    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith(f"error: {folder / 'model.onnx'}: its sha256 is ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (model(message(INITIALIZER, tensor("w", EXTERNAL))), "keeps tensor 'w' outside the file"),
        (cast_model(input_name="image"), "the model's inputs are ['image'], not ['pixels']"),
        (cast_model(input_type=FLOAT), "the model's outputs are ['floats'], not ['probability', "),
        (cast_model(), "the model's outputs are ['floats'], not ['probability', "),
    ],
    ids=["external data", "another input", "another type", "other outputs"],
)
async def test_a_model_that_is_no_detector_is_one_line(tmp_path, content, says):
    """Whatever its description says."""
    status, stderr = await outcome(tmp_path, DETECTOR=described(tmp_path / "mine", content))

    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith("error: ")
    assert says in line


async def test_a_folder_that_is_broken_under_a_running_service_changes_nothing(tmp_path):
    """It was read whole at the start: the old detector stays, and it is the next start that is refused."""
    folder = tmp_path / "mine"
    shutil.copytree(DETECTORS.bundled / "quadrant-tiles", folder)
    port = free_port()
    request = pb.DetectWatermarksRequest(images=[rgb_to_image(photo())])
    async with (
        watermark(tmp_path, PORT=port, METRICS_PORT=0, DETECTOR=folder),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = WatermarkServiceStub(channel)
        before = await stub.DetectWatermarks(request, wait_for_ready=True, timeout=START_S)
        (folder / "model.onnx").write_bytes(b"another")
        (folder / "detector.json").write_text("{")
        after = await stub.DetectWatermarks(request, timeout=START_S)
        await until_serving(channel)
    status, stderr = await outcome(tmp_path, DETECTOR=folder)

    assert after == before
    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith(f"error: {folder / 'detector.json'}: is no JSON: ")


async def test_a_head_without_an_embedder_serves_no_verdict_and_stops_when_told(
    tmp_path, monkeypatch
):
    """Not ready and UNAVAILABLE, for as long as nobody is there; SIGTERM ends it with 0 all the same."""
    encoder = HeadEncoder(encoder_id="a" * 64, precision=Precision.FP32, dimension=16)
    head = head_model(np.zeros(16, np.float32), 0.0)
    write_head(tmp_path / "head", head_folder(head, encoder))
    port, nobody = free_ports(2)
    monkeypatch.setenv("LODESTONE_EMBEDDER", f"127.0.0.1:{nobody}")
    settings = {"BACKEND": "embedder", "DETECTOR": tmp_path / "head", "EMBEDDER_TIMEOUT_S": 1}
    async with (
        watermark(tmp_path, PORT=port, METRICS_PORT=0, **settings) as process,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        request = pb.DetectWatermarksRequest(images=[rgb_to_image(photo())])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await WatermarkServiceStub(channel).DetectWatermarks(
                request, wait_for_ready=True, timeout=START_S
            )
        check = health_pb2.HealthCheckRequest(service="lodestone.watermark.v1.WatermarkService")
        health = await health_pb2_grpc.HealthStub(channel).Check(check)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
    events = [json.loads(line)["event"] for line in (tmp_path / "stderr").read_text().splitlines()]
    assert {"service_away", "not_ready", "draining"} <= set(events)
    assert "ready" not in events


async def test_a_head_of_the_wrong_backend_is_one_line(tmp_path):
    """The cure is in it."""
    encoder = HeadEncoder(encoder_id="a" * 64, precision=Precision.FP32, dimension=16)
    head = head_model(np.zeros(16, np.float32), 0.0)
    write_head(tmp_path / "head", head_folder(head, encoder))

    status, stderr = await outcome(tmp_path, DETECTOR=tmp_path / "head")

    assert status == 78
    assert stderr == (
        f"error: {tmp_path / 'head'}: this detector is a head over the embedder's embeddings: "
        "its backend is embedder, not onnxruntime\n"
    )


async def test_a_wrong_setting_is_one_line(tmp_path):
    """Before anything is loaded."""
    status, stderr = await outcome(tmp_path, THRESHOLD="high")

    [line] = stderr.splitlines()
    assert status == 78
    assert line.startswith("error: LODESTONE_WATERMARK_THRESHOLD: ")
