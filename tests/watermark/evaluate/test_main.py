"""The module as it is run, with the bundled detector."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import structlog
from PIL import Image

from services.servicekit.embedding import Precision
from services.watermark.detector_folder import HeadEncoder
from services.watermark.evaluate.__main__ import main
from tests.watermark.detectors import write_detector
from tests.watermark.heads import head_folder, head_model, write_head
from tests.watermark.train.embedder_head.tiny_encoder import DIMENSION, tiny_encoder


@pytest.fixture(autouse=True)
def no_logs_for_later_tests():
    """The command's logs go to the stderr of this test alone."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def photos(tmp_path):
    """Two photos that are none, 320×240."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        coarse = rng.integers(60, 200, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((320, 240)).save(folder / f"{name}.png")
    return folder


def test_the_bundled_detector_is_measured(tmp_path, photos, capfd):
    """Both generators, every kind; what went worst is there to look at, and the quadrants of one image."""
    out = tmp_path / "out"

    status = main([f"{photos}", f"--out={out}", f"--heat={photos / 'a.png'}", "--limit=1"])

    assert status == 0, capfd.readouterr().err
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["detector"]["name"] == "quadrant-tiles"
    assert evaluation["photos"] == 1
    kinds = {(g["generator"], g["value"]) for g in evaluation["groups"] if g["by"] == "kind"}
    assert {("first", "tiled"), ("second", "tiled"), ("second", "signature")} <= kinds
    for worst in evaluation["worst"].values():
        assert all((out / one["picture"]).stat().st_size for one in worst)
    heat = json.loads((out / "heat.json").read_text())
    assert len(heat["quadrants"]) == 4
    assert all(0 <= value <= 1 for value in heat["quadrants"].values())


@pytest.fixture
def encoder(tmp_path):
    """A small real encoder."""
    return tiny_encoder(tmp_path / "tiny")


def test_a_panorama_is_mapped_by_its_quarters(tmp_path, photos):
    """As the detector judges it: four side by side."""
    with Image.open(photos / "a.png") as photo:
        photo.resize((640, 160)).save(tmp_path / "wide.png")

    assert main([f"--heat={tmp_path / 'wide.png'}", f"--out={tmp_path / 'out'}"]) == 0

    heat = json.loads((tmp_path / "out" / "heat.json").read_text())
    assert heat["columns"] == 4
    assert list(heat["quadrants"]) == ["left", "middle-left", "middle-right", "right"]


def written_head(path, encoder_id):
    """The folder of a head that finds the second coordinate of an embedding suspicious."""
    weights = np.zeros(DIMENSION, np.float32)
    weights[1] = 5
    facts = HeadEncoder(encoder_id=encoder_id, precision=Precision.FP32, dimension=DIMENSION)
    write_head(path, head_folder(head_model(weights, 0.0), facts, side_px=224))
    return path


def test_a_head_is_measured_with_its_encoder(tmp_path, photos, encoder, capfd):
    """Every image is judged by the embeddings of its quadrants."""
    head = written_head(tmp_path / "head", encoder.encoder_id)
    out = tmp_path / "out"
    given = [f"--detector={head}", "--backend=embedder", f"--encoder={encoder.path}"]

    status = main([f"{photos}", f"--out={out}", f"--heat={photos / 'a.png'}", "--limit=1", *given])

    assert status == 0, capfd.readouterr().err
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["detector"]["name"] == "head"
    heat = json.loads((out / "heat.json").read_text())
    assert heat["probability"] == max(heat["quadrants"].values()) > 0.5
    assert len(set(heat["quadrants"].values())) == 4


def test_a_head_is_not_measured_with_another_encoder(tmp_path, photos, encoder, capfd):
    """Its numbers would mean nothing; nor without one."""
    head = written_head(tmp_path / "head", "a" * 64)
    given = [f"{photos}", f"--detector={head}", f"--out={tmp_path / 'out'}"]

    assert main([*given, "--backend=embedder", f"--encoder={encoder.path}"]) == 1
    assert "is a head over embeddings of encoder aaaaaaaaaaaa" in capfd.readouterr().err
    assert main(given) == 1
    assert "its backend is embedder, not onnxruntime" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "no such folder"),
        (["photos", "--detector=unknown"], "unknown"),
        (["photos", "--fonts=photos"], "photos: there are no fonts in it that write Latin letters"),
        (["--heat=missing.png"], "missing.png"),
        (["--heat=labels.txt"], "not a JPEG"),
        (["--heat=pipe.png"], "pipe.png: it is no file"),
        (["--heat=endless.png"], "endless.png: it is no file"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    tmp_path, photos, monkeypatch, capfd, arguments, words
):
    """On stderr, with status 1."""
    monkeypatch.chdir(photos.parent)
    (tmp_path / "labels.txt").write_text("no image")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")

    status = main([*arguments, "--out=out"])

    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert status == 1
    assert error.startswith("error: ")
    assert words in error


@pytest.mark.parametrize("name", ["heat.jpg", "heat.json", "evaluation.json", "worst/miss-00.jpg"])
def test_a_full_disk_is_one_line(tmp_path, photos, capfd, name):
    """With the file that it did not take, by a device that is always full."""
    out = tmp_path / "out"
    (out / "worst").mkdir(parents=True)
    path = out / name
    path.with_name(f".draft-{path.name}").symlink_to("/dev/full")

    status = main([f"{photos}", f"--out={out}", f"--heat={photos / 'a.png'}", "--limit=1"])

    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert status == 1
    assert error == f"error: {path}: cannot be written: No space left on device"
    assert not path.exists()


def test_a_detector_of_another_digest_is_refused(tmp_path, photos, capfd):
    """Nothing is measured with a file that nobody vouches for."""
    folder = write_detector(tmp_path / "fake", detector_id="0" * 64)

    assert main([f"{photos}", f"--detector={folder}", f"--out={tmp_path / 'out'}"]) == 1
    assert "error: " in capfd.readouterr().err
    assert not (tmp_path / "out" / "evaluation.json").exists()


@pytest.mark.parametrize("threshold", ["nan", "-0.1", "1.1"])
def test_a_threshold_is_a_probability(tmp_path, photos, threshold, capfd):
    """Anything else is a wrong command line."""
    with pytest.raises(SystemExit) as caught:
        main([f"{photos}", f"--out={tmp_path}", f"--threshold={threshold}"])
    assert caught.value.code == 2
    assert f"{threshold} is not in [0, 1]" in capfd.readouterr().err


def test_something_to_do_is_needed(tmp_path):
    """Neither a folder nor an image is a wrong command line."""
    with pytest.raises(SystemExit) as caught:
        main([f"--out={tmp_path}"])
    assert caught.value.code == 2
