"""What deploy/docker/build.sh asks a builder for."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.deploy.manifests import ROOT


@pytest.fixture
def build(tmp_path):
    """Runs the script where docker is a program that only writes down what it is asked."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = info ] || echo "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "LODESTONE_DATA": str(tmp_path), "BUILD_FLAGS": "-q"}

    def run(*targets):
        command = [ROOT / "deploy" / "docker" / "build.sh", *targets]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        asked = tmp_path / "asked"
        return done, asked.read_text().splitlines() if asked.exists() else []

    return run


def test_a_target_is_built_from_the_checkout(build):
    """Each under the name that the manifests have."""
    done, asked = build("embedder", "embedder-cuda")
    assert done.returncode == 0, done.stderr
    for line, target in zip(asked, ("embedder", "embedder-cuda"), strict=True):
        assert line.startswith("build -q ")
        assert f"-f deploy/docker/Dockerfile --target {target} " in line
        assert line.endswith(f" -t lodestone/{target}:0.1.0 .")


def test_an_encoder_is_built_from_its_folder(build, tmp_path):
    """Which the export made, in the data folder."""
    folder = tmp_path / "artifacts" / "encoders" / "small"
    folder.mkdir(parents=True)
    (folder / "encoder.json").touch()
    done, [line] = build("encoder-small")
    assert done.returncode == 0, done.stderr
    assert "-f deploy/docker/encoder.Dockerfile --build-arg ENCODER=small " in line
    assert line.endswith(f" -t lodestone/encoder-small:0.1.0 {folder}")


def test_an_encoder_that_an_image_could_not_read_is_told(build, tmp_path):
    """Files keep their rights in an image, which runs as a user of its own."""
    folder = tmp_path / "artifacts" / "encoders" / "small"
    folder.mkdir(parents=True)
    (folder / "encoder.json").touch(mode=0o600)
    done, asked = build("encoder-small")
    assert (done.returncode, asked) == (1, [])
    assert f"could not read {folder}/encoder.json: chmod -R o+rX {folder}" in done.stderr


def test_an_encoder_that_was_not_exported_is_told(build, tmp_path):
    """With what exports it, and nothing is built."""
    done, asked = build("encoder-small")
    place = tmp_path / "artifacts" / "encoders" / "small"
    assert (done.returncode, asked) == (1, [])
    assert done.stderr == f"error: {place} is no encoder: lodestone encoder export small\n"
