from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.servicekit import model_folder_errors
from services.servicekit.encoder_folder import ENCODERS
from services.servicekit.errors import Misconfigured
from services.servicekit.model_folder import ModelFolderKind
from services.servicekit.model_folder_errors import (
    DescriptionInvalid,
    DescriptionUnsupported,
    ModelDigestMismatch,
    ModelFileUnreadable,
    ModelFolderMissing,
    ModelFolderUnknown,
)
from services.watermark.detector_folder import DETECTORS
from tests.servicekit.onnx_bytes import INITIALIZER, message, model, tensor

MODEL = model(message(INITIALIZER, tensor("weight")))
DIGEST = hashlib.sha256(MODEL).hexdigest()
BUNDLED = {"encoder": "efficientnet-lite0", "detector": "quadrant-tiles"}


@dataclass(frozen=True)
class Facts:
    """The description of a kind that only these tests have."""

    name: str
    format_version: int = 3


WIDGETS = ModelFolderKind("widget", Facts, format_version=3)


def widget(folder: Path, **facts) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(MODEL)
    content = {"name": "tiny", "format_version": 3, **facts}
    (folder / "widget.json").write_text(json.dumps(content))
    return folder


def described(data: Path, kind: ModelFolderKind, name: str) -> Path:
    folder = data / "artifacts" / f"{kind.word}s" / name
    folder.mkdir(parents=True)
    (folder / kind.description_file).touch()
    return folder


kinds = pytest.mark.parametrize("kind", [ENCODERS, DETECTORS], ids=lambda kind: kind.word)


def test_a_kind_reads_its_own_description_and_model(tmp_path):
    """Under the name, in the form and of the version that it states."""
    folder = widget(tmp_path / "tiny")
    assert WIDGETS.read_description(folder) == Facts("tiny")
    assert WIDGETS.read_model(folder, DIGEST) == MODEL


def test_errors_name_the_kind(tmp_path):
    """A reader learns which file of which kind of folder is meant."""
    with pytest.raises(ModelFolderMissing, match="there is no such widget folder"):
        WIDGETS.read_description(tmp_path / "nowhere")
    folder = widget(tmp_path / "tiny")
    with pytest.raises(ModelDigestMismatch, match=f"its sha256 is {DIGEST}, widget.json says beef"):
        WIDGETS.read_model(folder, "beef")
    with pytest.raises(DescriptionInvalid, match=r"widget\.json: field 'name': "):
        WIDGETS.read_description(widget(tmp_path / "wrong", name=7))
    for version in (1, True, "3"):
        with pytest.raises(DescriptionUnsupported, match="only 3 can be read"):
            WIDGETS.read_description(widget(tmp_path / f"odd-{version}", format_version=version))
    with pytest.raises(DescriptionUnsupported, match="format_version is 1, only 3 can be read"):
        WIDGETS.read_description(widget(tmp_path / "old", format_version=1))
    (folder / "widget.json").unlink()
    with pytest.raises(ModelFileUnreadable, match=r"widget\.json: cannot be read: No such file"):
        WIDGETS.read_description(folder)


@kinds
def test_a_name_is_looked_for_in_the_data_folder_first(tmp_path, kind):
    """What a person made hides what came with the checkout."""
    name = BUNDLED[kind.word]
    assert kind.find(name, tmp_path) == kind.bundled / name
    mine = described(tmp_path, kind, name)
    assert kind.find(name, tmp_path) == mine


@kinds
def test_a_path_is_taken_as_it_is(tmp_path, kind):
    """With a slash it is a path, absolute or not, whether or not there is something."""
    assert kind.find(f"{tmp_path}/elsewhere", tmp_path) == tmp_path / "elsewhere"
    assert kind.find("./mine", tmp_path) == Path("mine")
    assert kind.find("some/mine", tmp_path) == Path("some/mine")
    assert kind.find("..", tmp_path) == Path("..")
    assert kind.find("~/mine", tmp_path) == Path.home() / "mine"


@kinds
def test_an_unknown_name_says_which_there_are(tmp_path, kind):
    """Of both folders, sorted, and where they are; neither has to be there."""
    name = BUNDLED[kind.word]
    with pytest.raises(ModelFolderUnknown) as caught:
        kind.find("bogus", tmp_path / "nowhere")
    assert caught.value.known == (name,)
    described(tmp_path, kind, "a-mine")
    with pytest.raises(ModelFolderUnknown) as caught:
        kind.find("bogus", tmp_path)
    assert (caught.value.name, caught.value.known) == ("bogus", ("a-mine", name))
    sentence = f"there is no {kind.word} 'bogus'; there is a-mine, {name} (in {tmp_path}"
    assert str(caught.value).startswith(sentence)


@kinds
def test_no_name_names_nothing(tmp_path, kind):
    """The folder that all models are in is none."""
    with pytest.raises(ModelFolderUnknown):
        kind.find("", tmp_path)


def test_every_error_stops_the_start():
    """The services' one handler for a bad set-up catches them all."""
    found = [
        error
        for error in vars(model_folder_errors).values()
        if isinstance(error, type) and error.__module__ == model_folder_errors.__name__
    ]
    assert len(found) == 10
    assert all(issubclass(error, Misconfigured) for error in found)
