from __future__ import annotations

import hashlib
import os

import pytest

from services.servicekit.embedding import Precision
from services.servicekit.errors import Misconfigured
from services.servicekit.model_folder_errors import (
    DescriptionInvalid,
    DescriptionUnsupported,
    ModelDigestMismatch,
    ModelFileUnreadable,
    ModelFolderMissing,
    ModelHasExternalData,
    ModelMalformed,
)
from services.servicekit.resize import InputShape, ResizeRule
from services.watermark.detector_folder import (
    DETECTORS,
    QUADRANTS,
    DetectorKind,
    HeadEncoder,
    load_detector_folder,
    write_detector_folder,
)
from tests.servicekit.onnx_bytes import EXTERNAL, INITIALIZER, message, model, tensor
from tests.watermark.detectors import MODEL, SIDE_PX, fake_folder, write_detector

ENCODER = {"encoder_id": "a" * 64, "precision": "FP32", "dimension": 512}


def test_a_folder_gives_its_facts_and_its_model(tmp_path):
    """What was read is what was checked."""
    folder = load_detector_folder(write_detector(tmp_path / "fake", threshold=0.25))

    assert folder.path == tmp_path / "fake"
    assert folder.model == MODEL
    assert (folder.description.name, folder.description.threshold) == ("fake", 0.25)
    assert folder.description.quadrants == QUADRANTS
    assert folder.description.input_shape == InputShape(SIDE_PX, SIDE_PX, quartered=True)


def test_a_written_folder_reads_back(tmp_path):
    """Every fact, and nothing else in the folder is touched."""
    written = fake_folder(threshold=0.731)
    out = tmp_path / "new" / "fake"
    out.mkdir(parents=True)
    (out / "README.md").write_text("card")

    write_detector_folder(out, written.model, written.description)

    assert load_detector_folder(out).description == written.description
    assert (out / "README.md").read_text() == "card"


def test_the_bundled_detector_is_whole():
    """Its model is small enough for the repository and is the one that its description names."""
    folder = load_detector_folder(DETECTORS.bundled / "quadrant-tiles")

    assert folder.description.name == "quadrant-tiles"
    assert len(folder.model) <= 15_000_000
    assert folder.description.input_shape == InputShape(448, 448, ResizeRule.SQUASH, quartered=True)
    assert 0.5 < folder.description.threshold < 1
    for name in ("README.md", "NOTICE"):
        assert (folder.path / name).stat().st_size > 200


def test_a_folder_that_is_not_there(tmp_path):
    """Named as it was given."""
    with pytest.raises(ModelFolderMissing) as caught:
        load_detector_folder(tmp_path / "none")

    assert str(caught.value) == f"{tmp_path / 'none'}: there is no such detector folder"
    assert isinstance(caught.value, Misconfigured)


@pytest.mark.parametrize("name", ["detector.json", "model.onnx"])
def test_a_file_that_is_not_there(tmp_path, name):
    """With what the operating system says."""
    folder = write_detector(tmp_path / "fake")
    (folder / name).unlink()

    with pytest.raises(ModelFileUnreadable) as caught:
        load_detector_folder(folder)

    assert str(caught.value) == f"{folder / name}: cannot be read: No such file or directory"


def test_another_model_than_the_described_one(tmp_path):
    """One byte more is another file; both digests are named."""
    folder = write_detector(tmp_path / "fake", model=MODEL + b"\0")

    with pytest.raises(ModelDigestMismatch) as caught:
        load_detector_folder(folder)

    assert caught.value.expected == hashlib.sha256(MODEL).hexdigest()
    assert caught.value.actual == hashlib.sha256(MODEL + b"\0").hexdigest()
    assert caught.value.actual in str(caught.value)


def test_a_model_that_keeps_data_elsewhere(tmp_path):
    """Its digest would not cover what is computed."""
    outside = model(message(INITIALIZER, tensor("weights", EXTERNAL)))
    digest = hashlib.sha256(outside).hexdigest()
    folder = write_detector(tmp_path / "fake", model=outside, detector_id=digest)

    with pytest.raises(ModelHasExternalData) as caught:
        load_detector_folder(folder)

    assert caught.value.tensor == "weights"


def test_a_model_that_is_no_onnx_file(tmp_path):
    """Found before any runtime is given it."""
    text = b"not a model at all"
    digest = hashlib.sha256(text).hexdigest()
    folder = write_detector(tmp_path / "fake", model=text, detector_id=digest)

    with pytest.raises(ModelMalformed):
        load_detector_folder(folder)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"threshold": 2}, "threshold"),
        ({"threshold": -1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": float("inf")}, "threshold"),
        ({"kind": "oracle"}, "kind"),
        ({"kind": "embedder-head"}, "encoder"),
        ({"encoder": ENCODER}, "encoder"),
        (
            {"kind": "embedder-head", "encoder": {**ENCODER, "precision": "INT8"}},
            "encoder.precision",
        ),
        ({"kind": "embedder-head", "encoder": {**ENCODER, "dimension": 0}}, "encoder.dimension"),
        (
            {"kind": "embedder-head", "encoder": {**ENCODER, "encoder_id": "x"}},
            "encoder.encoder_id",
        ),
        ({"threshold": "0.5"}, "threshold"),
        ({"detector_id": "abc"}, "detector_id"),
        ({"input_width_px": 0}, "input_width_px"),
        ({"quadrants": ["top-left"]}, "quadrants.1"),
        (
            {"quadrants": ["top-right", "top-left", "bottom-left", "bottom-right"]},
            "quadrants.0",
        ),
        ({"name": "../up"}, "name"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_fact_is_named(tmp_path, changes, field):
    """The first wrong field, with the file."""
    folder = write_detector(tmp_path / "fake", **changes)

    with pytest.raises(DescriptionInvalid) as caught:
        load_detector_folder(folder)

    assert caught.value.field == field
    assert str(caught.value).startswith(f"{folder / 'detector.json'}: field '{field}': ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "null", "[" * 100_000])
def test_a_description_that_is_no_object(tmp_path, content):
    """One clear error, whatever the file holds."""
    folder = write_detector(tmp_path / "fake")
    (folder / "detector.json").write_text(content)

    with pytest.raises(DescriptionInvalid, match=r"is no JSON"):
        load_detector_folder(folder)


def test_a_description_of_another_version(tmp_path):
    """Is not read any further: its fields may mean something else."""
    folder = write_detector(tmp_path / "fake", format_version=2, threshold="high")

    with pytest.raises(DescriptionUnsupported) as caught:
        load_detector_folder(folder)

    assert (caught.value.found, caught.value.supported) == (2, 1)


def test_a_head_names_the_encoder_that_it_belongs_to(tmp_path):
    """Id, precision and dimension; written and read back."""
    path = write_detector(tmp_path / "head", kind="embedder-head", encoder=ENCODER)
    found = load_detector_folder(path)

    assert found.description.kind is DetectorKind.EMBEDDER_HEAD
    assert found.description.encoder == HeadEncoder(
        encoder_id="a" * 64, precision=Precision.FP32, dimension=512
    )
    write_detector_folder(tmp_path / "again", found.model, found.description)
    assert load_detector_folder(tmp_path / "again").description == found.description


def test_links_are_followed_to_what_the_digest_vouches_for(tmp_path):
    """A folder may be a link, and so may a file; what they lead to is checked as ever."""
    real = write_detector(tmp_path / "real")
    (tmp_path / "link").symlink_to(real)
    assert load_detector_folder(tmp_path / "link").model == MODEL

    (tmp_path / "other").write_bytes(MODEL + b"\0")
    (real / "model.onnx").unlink()
    (real / "model.onnx").symlink_to(tmp_path / "other")
    with pytest.raises(ModelDigestMismatch):
        load_detector_folder(real)


def test_a_link_to_itself(tmp_path):
    """Leads nowhere, which the operating system says."""
    folder = write_detector(tmp_path / "fake")
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(folder / "model.onnx")

    with pytest.raises(ModelFileUnreadable, match="Too many levels of symbolic links"):
        load_detector_folder(folder)


@pytest.mark.parametrize(("name", "size"), [("model.onnx", 2**31), ("detector.json", 1_000_001)])
def test_a_file_too_large_to_be_right_is_not_read(tmp_path, name, size):
    """Its size is enough to say so."""
    folder = write_detector(tmp_path / "fake")
    with (folder / name).open("r+b") as file:
        file.truncate(size)

    with pytest.raises(ModelFileUnreadable, match=f"it has {size:,} bytes, over the limit of "):
        load_detector_folder(folder)


@pytest.mark.parametrize("name", ["model.onnx", "detector.json"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    """Nobody may ever write to it."""
    folder = write_detector(tmp_path / "fake")
    (folder / name).unlink()
    os.mkfifo(folder / name)

    with pytest.raises(ModelFileUnreadable, match="it is no file"):
        load_detector_folder(folder)
