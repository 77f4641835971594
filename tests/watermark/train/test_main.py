from __future__ import annotations

import sys

import pytest
import structlog

from services.watermark.train.__main__ import main
from tests.watermark.train.drawn_photos import photo_files

TORCH_MODULES = (
    "body",
    "checkpoint",
    "export",
    "fitting",
    "held_out",
    "losses",
    "network",
    "onnx_file",
    "recipe",
)


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
    assert line == "error: training needs torch, which is not installed: see the train extra"


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


@pytest.mark.parametrize("arguments", [[], ["--photos", "a"], ["--photos", "a", "--steps", "0"]])
def test_a_wrong_command_line_ends_with_status_2(arguments, capsys):
    """With the usage."""
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--out", "mine"] if "--steps" in arguments else arguments)

    assert caught.value.code == 2
    assert "usage: python -m services.watermark.train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--backend=embedder", "--resume"], "--resume is for --backend onnxruntime"),
        (["--backend=embedder", "--measure-every=7"], "--measure-every is for --backend onnxrun"),
        (["--pairs=200"], "--pairs is for --backend embedder"),
        (["--encoder=mine"], "--encoder is for --backend embedder"),
        (["--backend=cuda"], "invalid choice: 'cuda'"),
    ],
)
def test_an_option_of_the_other_training_is_refused(tmp_path, capsys, arguments, says):
    """Not passed over in silence."""
    with pytest.raises(SystemExit) as caught:
        main(["--photos", str(tmp_path), "--out", str(tmp_path / "mine"), *arguments])

    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_a_head_needs_an_encoder_that_is_there(tmp_path, capsys):
    """Told before a photo is read, with the encoders that there are."""
    given = ["--photos", str(tmp_path), "--backend=embedder", "--encoder=nowhere"]

    status = main([*given, "--data", str(tmp_path), "--out", str(tmp_path / "mine")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line.startswith("error: ")
    assert "nowhere" in line
    assert "efficientnet-lite0" in line


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
