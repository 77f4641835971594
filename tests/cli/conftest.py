"""The command against fake services, in this process or as its own."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.fake_services import FakeServices

ROOT = Path(__file__).parents[2]


@pytest.fixture
def services(monkeypatch):
    """Running fakes; the environment leads to them."""
    with FakeServices() as fakes:
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK", "CRAWLER"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        yield fakes


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Runs one command in this process: `status`, `out`, `err`, and `objects`, the JSON lines of stdout."""
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def run_command(*arguments):
        from lodestone.cli.app import run

        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()

        def objects():
            return [json.loads(line) for line in captured.out.splitlines()]

        return SimpleNamespace(status=status, out=captured.out, err=captured.err, objects=objects)

    return run_command


@pytest.fixture
def start_cli(tmp_path):
    """Starts one command as a process of its own; its output goes to `out` and `err` in the temporary folder."""
    started = []

    def start(*arguments, **environment):
        command = [sys.executable, "-m", "lodestone.cli", *map(str, arguments)]
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=out, stderr=err
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def png(width, height):
    """A black PNG file's bytes."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(3 * width)) * height)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def photos(tmp_path):
    """A folder of ten images, one in a subfolder, no two the same."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for index in range(9):
        (folder / f"{index}.png").write_bytes(png(8, 8 + index))
    (folder / "more" / "last.PNG").write_bytes(png(9, 9))
    return folder
