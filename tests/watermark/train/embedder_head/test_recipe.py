from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import structlog

from services.servicekit.errors import Misconfigured
from services.servicekit.resize import to_input
from services.watermark.config import WatermarkBackend
from services.watermark.detector_backend import detector_backend
from services.watermark.detector_folder import DetectorKind, load_detector_folder
from services.watermark.head_detector import HeadDetector
from services.watermark.train.curves import CURVES_FILE
from services.watermark.train.embedder_head.encoder import QuadrantEncoder
from services.watermark.train.embedder_head.recipe import HeadRecipe, train_head
from services.watermark.train.marks import Marks
from services.watermark.train.metrics_file import METRICS_FILE
from services.watermark.train.photos import PhotoFolders
from tests.fakes.image_files import photo
from tests.watermark.train.drawn_photos import photo_files
from tests.watermark.train.embedder_head.tiny_encoder import DIMENSION, tiny_encoder

PAIRS = 60
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module", autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Photos and an encoder."""
    folder = tmp_path_factory.mktemp("given")
    photos = PhotoFolders(training=(photo_files(folder / "photos", range(60)),))
    return photos, tiny_encoder(folder / "tiny")


def trained(given, out, *, seed=0):
    photos, encoder = given
    out.mkdir()
    recipe = HeadRecipe(photos, Marks(), encoder, pairs=PAIRS, seed=seed, threads=1)
    train_head(recipe, out)
    return out


@pytest.fixture(scope="module")
def head(given, tmp_path_factory):
    """The folder of a head."""
    return trained(given, tmp_path_factory.mktemp("heads") / "head")


def test_a_head_can_be_served(given, head):
    """It states its encoder, and judges images with the embeddings of that."""
    folder = load_detector_folder(head)
    facts = folder.description
    encoder = QuadrantEncoder(given[1], threads=1)

    assert facts.kind is DetectorKind.EMBEDDER_HEAD
    assert (facts.encoder, facts.input_shape.width_px) == (encoder.facts, 224)
    assert facts.encoder.dimension == DIMENSION
    backend = detector_backend(folder, WatermarkBackend.EMBEDDER, threads=1)
    detector = HeadDetector(folder, backend, encoder.embed_each, threshold=None)
    images = [to_input(photo(200, 150, seed=seed), facts.input_shape) for seed in range(40)]
    clean = [one.watermarked for one in detector.detect(np.stack(images))]
    assert np.mean(clean) < 0.2


def test_what_was_measured_stands_beside_it(head):
    """With the marks of both generators; the curves are those of fewer and of all pairs."""
    metrics = json.loads((head / METRICS_FILE).read_text())
    facts = load_detector_folder(head).description

    assert metrics["held_out"]["pairs"] == PAIRS
    assert metrics["held_out"]["first_auc"] > 0.6
    assert {"loss", "first_loss", "second_auc", "second_tpr_at_5"} <= set(metrics["held_out"])
    assert metrics["calibration"]["threshold"] == facts.threshold
    assert (head / CURVES_FILE).read_bytes().startswith(b"\x89PNG")
    assert facts.training["sources"]["photos"]["train"] > 40
    assert facts.training["pairs"] == PAIRS


def test_one_seed_gives_the_same_files(given, head, tmp_path):
    """Byte by byte; another seed gives others."""
    again, other = trained(given, tmp_path / "head"), trained(given, tmp_path / "other", seed=1)

    names = sorted(path.name for path in head.iterdir())
    assert names == ["curves.png", "detector.json", "metrics.json", "model.onnx"]
    for name in names:
        assert (again / name).read_bytes() == (head / name).read_bytes()
    assert (other / "model.onnx").read_bytes() != (head / "model.onnx").read_bytes()


def test_no_torch_is_needed():
    """Nothing here imports it, whether it is installed or not."""
    code = f"import sys, {train_head.__module__}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_missing_photos_are_told(given, tmp_path):
    """Before anything is embedded."""
    photos = PhotoFolders(training=(tmp_path / "none",))

    with pytest.raises(Misconfigured, match="there is no such folder of photos"):
        train_head(HeadRecipe(photos, Marks(), given[1], pairs=1, seed=0, threads=1), tmp_path)
