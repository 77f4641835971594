"""Builds the images out of the unmodified Dockerfile, and calls what is in them.

The base image must be in buildah's storage, or to be had from a registry. BUILD_FLAGS reaches the builder.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from PIL import Image

from lodestone.client import CrawlerClient, EmbedderClient, NoveltyClient, WatermarkClient
from lodestone.image.v1.image_pb2 import Image as Sent
from services.servicekit.encoder_folder import ENCODERS
from tests.deploy.container import buildah, mounted, running
from tests.deploy.manifests import ROOT, SERVICES, rendered
from tests.fakes.ports import free_port

pytestmark = pytest.mark.long

LIMIT_BYTES = 450_000_000


@pytest.fixture(scope="module")
def build():
    """Builds a target once, and says what it is called."""
    if shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("buildah is not installed, or this is not root")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        pytest.skip("docker builds here; buildah's storage would not have the images")

    @cache
    def build_once(target, data=""):
        command = [ROOT / "deploy" / "docker" / "build.sh", target]
        subprocess.run(command, check=True, env=os.environ | {"LODESTONE_DATA": str(data)})
        return f"localhost/lodestone/{target}:0.1.0"

    return build_once


@pytest.fixture(scope="module", params=SERVICES)
def built(request, build):
    return request.param, build(request.param)


def photo():
    pixels = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG")
    return Sent(encoded=encoded.getvalue())


async def health(address):
    async with grpc.aio.insecure_channel(address) as channel:
        check = HealthStub(channel).Check
        return (await check(HealthCheckRequest(), wait_for_ready=True, timeout=90)).status


async def call(word, address):
    """One real call; what it shows."""
    if word == "embedder":
        async with EmbedderClient(address) as client:
            return (await client.embed(photo())).WhichOneof("outcome")
    if word == "watermark":
        async with WatermarkClient(address) as client:
            return (await client.detect(photo())).WhichOneof("outcome")
    if word == "novelty":
        async with NoveltyClient(address) as client:
            return await client.list_profiles()
    async with CrawlerClient(address) as client:
        return await client.list_crawls()


def test_an_image_is_small(built):
    """Unpacked, the base included."""
    _, image = built
    (facts,) = json.loads(buildah("images", "--json", image))
    value, unit = facts["size"].split()
    assert float(value) * {"MB": 1e6, "GB": 1e9}[unit] < LIMIT_BYTES


def test_an_image_lists_what_is_in_it_and_has_no_pip(built):
    """CycloneDX, with a version of each."""
    word, image = built
    with mounted(image) as (root, _):
        sbom = json.loads(Path(root, "opt/venv/sbom.cdx.json").read_text())
        listed = {one["name"]: one["version"] for one in sbom["components"]}
        assert "grpcio" in listed
        assert ("pyarrow" in listed) == (word == "crawler")
        assert not Path(root, "usr/local/bin/pip").exists()


async def test_a_service_answers_out_of_its_image_and_ends_by_sigterm(built, tmp_path):
    """As user 10001 on a root that cannot be written to; status 0."""
    word, image = built
    port, log = free_port(), tmp_path / "log"
    name = f"LODESTONE_{word.upper()}"
    variables = {f"{name}_PORT": port, f"{name}_METRICS_PORT": 0}
    expected = {"embedder": "value", "watermark": "value", "novelty": [], "crawler": []}
    with mounted(image) as (root, config), running(root, config, log, **variables) as process:
        assert await health(f"127.0.0.1:{port}") == HealthCheckResponse.SERVING, log.read_text()
        found = await call(word, f"127.0.0.1:{port}")
        assert found == expected[word], log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, log.read_text()


def test_an_encoder_comes_out_of_an_image_of_its_own(build, tmp_path):
    """Into the claim of the overlay `gpu`, once, as its init container: the bundled one under another name."""
    bundled = ENCODERS.bundled / "efficientnet-lite0"
    shutil.copytree(bundled, tmp_path / "data" / "artifacts" / "encoders" / "small")
    build("embedder")
    image = build("encoder-small", tmp_path / "data")
    claim = tmp_path / "claim"
    claim.mkdir()
    os.chown(claim, 0, 10001)
    claim.chmod(0o2775)
    (container,) = rendered("gpu").pod("embedder")["initContainers"]
    (mount,) = container["volumeMounts"]
    volumes = [(claim, mount["mountPath"])]
    for event in ("encoder_brought", "encoder_was_there"):
        log = tmp_path / event
        with mounted(image) as (root, config), running(root, config, log, volumes) as process:
            assert process.wait(60) == 0, log.read_text()
        assert event in log.read_text()
    brought = {path.name: path.read_bytes() for path in (claim / "small").iterdir()}
    assert brought == {path.name: path.read_bytes() for path in bundled.iterdir()}
