from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import structlog

from services.watermark.train.__main__ import main
from services.watermark.train.claim import claim_folder
from tests.watermark.train.drawn_photos import photo_files
from tests.watermark.train.embedder_head.tiny_encoder import tiny_encoder

ROOT = Path(__file__).resolve().parents[3]

TORCH_MODULES = (
    "body",
    "checkpoint",
    "drawing_processes",
    "export",
    "fitting",
    "held_out",
    "losses",
    "network",
    "onnx_file",
    "recipe",
    "states",
)


def await_file(path, process):
    """Until it is there; not longer than the process lives."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _logs_as_before():
    """The command sets logging up for its process."""
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys):
    """Set-up installs no torch; the line says which extra brings it."""
    for name in TORCH_MODULES:
        monkeypatch.delitem(sys.modules, f"services.watermark.train.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)

    status = main(["--photos", str(tmp_path), "--out", str(tmp_path / "mine")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    install = ".venv/bin/pip install -c constraints.txt -e '.[train]'"
    assert line == f"error: training needs torch; in the checkout: {install}"


def test_a_head_needs_less(tmp_path, monkeypatch, capsys):
    """Its line installs no torch."""
    for name in ("recipe", "onnx_head"):
        module = f"services.watermark.train.embedder_head.{name}"
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)

    given = ["--backend=embedder", f"--photos={tmp_path}", f"--out={tmp_path / 'mine'}"]
    status = main(given)

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    install = ".venv/bin/pip install -c constraints.txt -e '.[head]'"
    assert line == f"error: training needs onnx; in the checkout: {install}"


def test_a_name_that_no_detector_can_have(tmp_path, capsys):
    """Told before hours of training; nothing is made."""
    status = main(["--photos", str(tmp_path), "--out", str(tmp_path / "My Detector")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line.startswith("error: 'My Detector' is no name for a detector")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path, capsys):
    """A file is in its place."""
    (tmp_path / "mine").touch()

    status = main(["--photos", str(tmp_path), "--out", str(tmp_path / "mine")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line == f"error: {tmp_path / 'mine'}: cannot be made: File exists"


def test_a_head_needs_an_encoder_that_is_there(tmp_path, capsys):
    """Told before a photo is read, with the encoders that there are."""
    given = ["--photos", str(tmp_path), "--backend=embedder", "--encoder=nowhere"]

    status = main([*given, "--data", str(tmp_path), "--out", str(tmp_path / "mine")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line.startswith("error: ")
    assert "nowhere" in line
    assert "efficientnet-lite0" in line


@pytest.mark.parametrize("given", [[], ["--json"]])
def test_how_far_it_is_is_told(tmp_path, capsys, given):
    """A line for each point on stderr, and the result on stdout; or all as objects there."""
    photos, encoder = photo_files(tmp_path / "photos", range(40)), tiny_encoder(tmp_path / "tiny")
    command = [f"--photos={photos}", "--backend=embedder", f"--encoder={encoder.path}"]

    status = main([*command, "--pairs=100", f"--out={tmp_path / 'mine'}", *given])

    out, err = capsys.readouterr()
    assert status == 0
    assert "Traceback" not in err
    lines = out.splitlines()
    threshold = json.loads((tmp_path / "mine" / "detector.json").read_text())["threshold"]
    if given:
        *points, result = map(json.loads, lines)
        assert [(point["pair"], point["pairs"]) for point in points] == [
            (count, 100) for count in (10, 20, 40, 70, 100)
        ]
        assert result["folder"] == str(tmp_path / "mine")
        assert result["threshold"] == threshold
        assert result["held_out"]["first_auc"] == points[-1]["first_auc"]
    else:
        assert lines[0].startswith(f"{tmp_path / 'mine'}: threshold {threshold:.4g}; AUC ")
        assert [line for line in err.splitlines() if line.startswith("pair 100 of 100: loss 0.")]


@pytest.mark.parametrize("option", ["--fonts", "--held-out-fonts"])
def test_a_folder_without_fonts_is_one_line(tmp_path, capsys, option):
    """Told before a photo is read."""
    given = [f"--photos={tmp_path / 'none'}", "--backend=embedder", f"{option}={tmp_path}"]

    status = main([*given, f"--out={tmp_path / 'mine'}"])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line.startswith(f"error: {tmp_path}: there are no fonts in it that write Latin letters")


@pytest.mark.export
def test_missing_photos_are_one_line(tmp_path, capsys):
    """With the folder that was given."""
    status = main(["--photos", str(tmp_path / "none"), "--out", str(tmp_path / "mine")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line == f"error: {tmp_path / 'none'}: there is no such folder of photos"


@pytest.mark.export
def test_there_is_nothing_to_resume(tmp_path, capsys):
    """With the file that was looked for."""
    photos = photo_files(tmp_path / "photos", range(40))
    out = tmp_path / "mine"

    status = main(["--photos", str(photos), "--out", str(out), "--resume"])

    line = capsys.readouterr().err.splitlines()[-1]
    assert status == 1
    assert line == f"error: {out / 'checkpoint.pt'}: there is no checkpoint to go on from"


@pytest.mark.export
def test_a_forgotten_resume_replaces_nothing(tmp_path, capsys):
    """A checkpoint of hours stays as it is."""
    out = tmp_path / "mine"
    out.mkdir()
    (out / "checkpoint.pt").write_bytes(b"hours")

    status = main(["--photos", str(tmp_path), "--out", str(out)])

    line = capsys.readouterr().err.splitlines()[-1]
    assert status == 1
    assert line == f"error: {out}: it holds a training; give --resume to go on, or another folder"
    assert (out / "checkpoint.pt").read_bytes() == b"hours"


@pytest.mark.export
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_says_how_to_go_on(tmp_path, number):
    """In one line, whatever process of its group hears the signal first; the checkpoint stays."""
    photos, out = photo_files(tmp_path / "photos", range(40)), tmp_path / "mine"
    command = [sys.executable, "-m", "services.watermark.train", f"--photos={photos}"]
    command += [f"--out={out}", "--steps=1000", "--batch=8", "--save-every=1"]
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(command, cwd=ROOT, stderr=err, stdout=err, process_group=0)
    try:
        await_file(out / "checkpoint.pt", process)
        os.killpg(process.pid, number)
        assert process.wait(timeout=60) == 128 + number
    finally:
        process.kill()
        process.wait()

    lines = (tmp_path / "err").read_text().splitlines()
    assert [line for line in lines if "stopped" in line] == ["stopped; go on with --resume"]
    assert "Traceback" not in lines[0]
    assert [path.name for path in out.iterdir()] == ["checkpoint.pt"]


@pytest.mark.export
def test_a_second_training_leaves_the_first_alone(tmp_path, capsys):
    """Both would write the same files."""
    out = tmp_path / "mine"
    with claim_folder(out):
        status = main(["--photos", str(tmp_path), "--out", str(out)])

    line = capsys.readouterr().err.splitlines()[-1]
    assert status == 1
    assert line == f"error: {out}: another training runs in it"


@pytest.mark.export
def test_a_process_that_draws_and_is_killed_is_one_line(tmp_path):
    """As by a system that is short of memory; the training can go on."""
    photos, out = photo_files(tmp_path / "photos", range(40)), tmp_path / "mine"
    command = [sys.executable, "-m", "services.watermark.train", f"--photos={photos}"]
    command += [f"--out={out}", "--steps=1000", "--batch=8", "--save-every=1"]
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(command, cwd=ROOT, stderr=err, stdout=err)
    try:
        await_file(out / "checkpoint.pt", process)
        [drawer] = [
            child
            for child in psutil.Process(process.pid).children()
            if any("spawn_main" in part for part in child.cmdline())
        ]
        drawer.kill()
        assert process.wait(timeout=60) == 1
    finally:
        process.kill()
        process.wait()

    text = (tmp_path / "err").read_text()
    assert "Traceback" not in text
    [line] = [line for line in text.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: a process that draws marks was lost (")
    assert line.endswith("--resume goes on from the last checkpoint")
    assert [path.name for path in out.iterdir()] == ["checkpoint.pt"]
