from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.documents import ROOT, at_ports, commands

pytestmark = pytest.mark.e2e

PORTS = {"embedder": "50051", "novelty": "50052", "watermark": "50053", "crawler": "50054"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, lodestone):
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(pictures / "site" / "find-0.jpg", folder / "photo.jpg")
    lodestone.ask("profile", "fit", "landscapes", str(pictures / "liked"))
    return folder


@pytest.mark.parametrize("example", list(commands("README.md")))
def test_grpcurl_examples_work_as_printed(example, folder, lodestone):
    """Every example answers; only the ports are the test's own."""
    example = at_ports(example, {port: lodestone.ports[word] for word, port in PORTS.items()})
    environment = lodestone.environment | {
        "PATH": f"{Path(sys.executable).parent}:{lodestone.environment['PATH']}"
    }
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", example],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert '"rejection"' not in done.stdout


@pytest.mark.parametrize("word", PORTS)
def test_every_service_shows_itself(word, lodestone):
    """`grpcurl list` shows the service, health and reflection, on all four."""
    grpcurl = Path(sys.executable).parent / "grpcurl"
    address = f"127.0.0.1:{lodestone.ports[word]}"
    done = subprocess.run(
        [grpcurl, "-plaintext", address, "list"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.split() == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        f"lodestone.{word}.v1.{word.capitalize()}Service",
    ]


def test_the_readme_is_short():
    """At most 150 lines."""
    assert (ROOT / "README.md").read_text().count("\n") <= 150
