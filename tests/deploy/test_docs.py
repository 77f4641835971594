"""The walk of docs/deploy.md leads through what is there."""

from __future__ import annotations

import io
import os
import re
import shlex
import socket
import stat
import subprocess
import sys
import tarfile

import pytest

from tests.deploy.manifests import K8S, OVERLAYS, ROOT, SERVICES, default, rendered

PAGE = (ROOT / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MAKEFILE = (ROOT / "Makefile").read_text()
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def test_it_is_ten_commands_from_nothing_to_the_first_picture():
    """A line each."""
    assert len(BLOCKS[0].splitlines()) == 10


def test_make_has_what_it_is_told(tmp_path):
    """Every target, and every overlay."""
    targets = {
        word
        for line in re.findall(r"^make (.*)$", "".join(BLOCKS), re.MULTILINE)
        for word in shlex.split(line)
        if "=" not in word
    }
    assert targets == {"images", "certs", "secrets", "deploy"}
    for target in targets:
        assert re.search(rf"^{target}: .*## ", MAKEFILE, re.MULTILINE), target
    assert set(re.findall(r"OVERLAY=(\w+)", PAGE)) <= set(OVERLAYS)
    done = subprocess.run(
        ["make", "-n", "deploy"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "OVERLAY is not set" in done.stderr


def test_images_and_forwards_are_those_of_the_manifests():
    """Names, versions and ports."""
    local = rendered("local")
    images = {local.container(word)["image"] for word in SERVICES}
    assert set(re.findall(r"lodestone/\w+:[\d.]+", BLOCKS[0])) == images
    forwards = dict(re.findall(r"\b(embedder|novelty|watermark|crawler):(\d{5})", BLOCKS[0]))
    assert forwards == {word: str(default(word, "port")) for word in forwards}
    assert len(forwards) == 3


def test_the_gpu_overlays_images_are_built():
    """Each by its name; the encoder's is built on the embedder's, from what was exported before."""
    [listed] = re.findall(r'TARGETS="([^"]+)"', PAGE)
    targets = listed.split()
    pod = rendered("gpu").pod("embedder")
    images = {one["image"] for one in (*pod["containers"], *pod["initContainers"])}
    assert {f"lodestone/{target}" for target in targets} == {
        "lodestone/embedder",
        *(image.partition(":")[0] for image in images),
    }
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    *before, encoder = targets
    assert set(before) <= stages
    assert f"lodestone encoder export {encoder.removeprefix('encoder-')} " in PAGE


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_the_shell_understands_every_block(block):
    """As bash reads it."""
    done = subprocess.run(["bash", "-n"], input=BLOCKS[block], text=True, check=False)
    assert done.returncode == 0


def run(script, folder, kubectl="", **given):
    """Runs lines of the page where `kubectl` is a shell script."""
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / "kubectl"
    program.write_text(f"#!/bin/bash\n{kubectl}\n")
    program.chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=os.environ | {"PATH": path}, timeout=60,
        capture_output=True, check=False, **given,
    )  # fmt: skip


def test_a_persons_certificate_comes_out_of_its_secret(tmp_path):
    """Each file in a folder that is made, and nobody else's to read."""
    [loop] = re.findall(r"^mkdir .*?^done$", PAGE, re.DOTALL | re.MULTILINE)
    done = run(loop, tmp_path, 'printf %s "${@: -1}" | base64')
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "data" / "person"
    for name in ("tls.crt", "tls.key", "ca.crt"):
        assert (
            folder / name
        ).read_text() == f"jsonpath={{.data.{name.replace('.', chr(92) + '.')}}}"
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_follows_a_forward_finds_its_port(tmp_path):
    """However long kubectl takes to open it."""
    lines = re.findall(r"^for to in .*port-forward.*$", PAGE, re.MULTILINE)
    [line] = set(lines)
    assert len(lines) == 2
    kubectl = f"sleep 0.5; exec {sys.executable} -m http.server --bind localhost ${{@: -1}} > $PWD/${{@: -1}}.log 2>&1"
    ports = []
    for _ in range(3):
        with socket.create_server(("localhost", 0)) as free:
            ports.append(free.getsockname()[1])
    for port, here in zip(re.findall(r":(\d{5})", line), ports, strict=True):
        line = line.replace(port, str(here))
    ask = "".join(f"(: > /dev/tcp/localhost/{port}) || exit 1;" for port in ports)
    done = run(f"{line}\n{ask} kill $(jobs -p)", tmp_path, kubectl)
    assert done.returncode == 0, done.stderr


def test_a_table_is_brought_whole(tmp_path):
    """Nothing is at its place before all of it is; after a copy that broke off, the command does the same."""
    name = rendered("bulk").environment("bulk")["TABLE"]
    assert f" -c {name} | kubectl" in PAGE
    [command] = re.findall(r"sh -c '([^']*/shards/[^']*)'", PAGE)
    claim = tmp_path / "claim"
    claim.mkdir()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a file").write_bytes(os.urandom(50_000))
        archive.add(tmp_path / name, name)
    command = command.replace("/shards", str(claim))
    assert run(command, tmp_path, input=packed.getvalue()[:20_000]).returncode != 0
    assert not (claim / name).exists()
    assert run(command, tmp_path, input=packed.getvalue()).returncode == 0
    content = (tmp_path / name / "a file").read_bytes()
    assert (claim / name / "a file").read_bytes() == content


def test_every_folder_that_is_named_is_there():
    """And every one that is there is named."""
    for folder in ("base", *(f"overlays/{name}" for name in OVERLAYS)):
        assert f"`{folder}/`" in PAGE
    for component in (K8S / "components").iterdir():
        named = component.name in PAGE
        # What `local` is put together from needs no word.
        assert named or component.name in {"postgres", "seaweedfs"}, component.name
