from __future__ import annotations

import hashlib

import pytest

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
    load_detector_folder,
    write_detector_folder,
)
from tests.servicekit.onnx_bytes import EXTERNAL, INITIALIZER, message, model, tensor
from tests.watermark.detectors import MODEL, SIDE_PX, fake_folder, write_detector


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
    folder = load_detector_folder(DETECTORS.bundled / "quadrant-head")

    assert folder.description.name == "quadrant-head"
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
        ({"threshold": 1.5}, "threshold"),
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
