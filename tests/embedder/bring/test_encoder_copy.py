from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from services.embedder.bring import encoder_copy
from services.embedder.bring.encoder_copy import (
    EncoderPlaceTaken,
    EncoderPlaceUnusable,
    bring_encoder,
)
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.model_folder_errors import ModelDigestMismatch, ModelFolderMissing

NAME = "efficientnet-lite0"
BUNDLED = ENCODERS.bundled / NAME


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "artifacts" / "encoders" / NAME


def test_an_encoder_is_brought_whole_and_leaves_nothing_beside_it(place):
    """Folders on the way are made; every file comes along, the licence too."""
    assert bring_encoder(BUNDLED, place)
    assert files(place) == files(BUNDLED)
    assert list(place.parent.iterdir()) == [place]


def test_what_is_there_is_not_written_again(place):
    """The second pod finds the first one's."""
    bring_encoder(BUNDLED, place)
    before = (place / "model.onnx").stat()
    assert not bring_encoder(BUNDLED, place)
    assert (place / "model.onnx").stat() == before


def test_of_several_at_once_one_is_the_first(place, monkeypatch):
    """Each with a name of its own, as pods have; all of them end with the encoder there."""
    names = {}
    monkeypatch.setattr(socket, "gethostname", lambda: names[threading.get_ident()])
    gate = threading.Barrier(4)
    found = []

    def bring(number):
        names[threading.get_ident()] = f"pod-{number}"
        gate.wait()
        found.append(bring_encoder(BUNDLED, place))

    pods = [threading.Thread(target=bring, args=(number,)) for number in range(4)]
    for pod in pods:
        pod.start()
    for pod in pods:
        pod.join()
    assert sorted(found) == [False, False, False, True]
    assert list(place.parent.iterdir()) == [place]


def test_one_that_was_killed_leaves_nothing_for_its_next_start(place):
    """Half a copy is never under the name, and goes."""
    half = place.with_name(f".{NAME}.{socket.gethostname()}")
    half.mkdir(parents=True)
    (half / "model.onnx").write_bytes(b"half")
    assert bring_encoder(BUNDLED, place)
    assert list(place.parent.iterdir()) == [place]


def test_a_copy_that_is_not_what_was_copied_does_not_get_the_name(place, monkeypatch):
    """A disk that writes something else."""

    def copy_wrongly(source, target):
        shutil.copyfile(source, target)
        if Path(target).name == "model.onnx":
            os.truncate(target, 1_000)

    monkeypatch.setattr(encoder_copy, "_copy_file", copy_wrongly)
    with pytest.raises(ModelDigestMismatch):
        bring_encoder(BUNDLED, place)
    assert list(place.parent.iterdir()) == []


def test_a_source_that_is_not_what_it_says_is_not_brought(tmp_path, place):
    """Neither a changed network nor one that is not there."""
    source = shutil.copytree(BUNDLED, tmp_path / "source")
    (source / "model.onnx").write_bytes(b"another")
    with pytest.raises(ModelDigestMismatch):
        bring_encoder(source, place)
    with pytest.raises(ModelFolderMissing):
        bring_encoder(tmp_path / "nothing", place)
    assert not place.exists()


def test_what_was_damaged_there_is_told_and_left(place):
    """Whoever serves it would be told the same."""
    bring_encoder(BUNDLED, place)
    (place / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelDigestMismatch):
        bring_encoder(BUNDLED, place)
    assert (place / "model.onnx").read_bytes() == b"damaged"


def test_another_encoder_of_the_same_name_is_left_where_it_is(place):
    """Profiles belong to it."""
    shutil.copytree(BUNDLED, place)
    facts = load_encoder_folder(place)
    described = json.loads((place / "encoder.json").read_text())
    described["weights"]["digest"] = "ab" * 32
    (place / "encoder.json").write_text(json.dumps(described))
    other = ENCODERS.read_description(place).computed_id()
    (place / "encoder.json").write_text(json.dumps(described | {"encoder_id": other}))
    with pytest.raises(EncoderPlaceTaken) as raised:
        bring_encoder(BUNDLED, place)
    assert (raised.value.there, raised.value.brought) == (other, facts.encoder_id)
    assert load_encoder_folder(place).encoder_id == other


def test_a_place_that_cannot_be_made_is_told(tmp_path):
    """A file is where a folder should be."""
    (tmp_path / "artifacts").write_text("")
    with pytest.raises(EncoderPlaceUnusable) as raised:
        bring_encoder(BUNDLED, tmp_path / "artifacts" / "encoders" / NAME)
    assert raised.value.cause == "Not a directory"


def bring(data, **variables):
    return subprocess.run(
        [sys.executable, "-m", "services.embedder.bring"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "LODESTONE_DATA": str(data), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_brings_what_the_embedders_settings_name(tmp_path):
    """Once; the embedder finds it before the bundled one."""
    first, second = bring(tmp_path), bring(tmp_path)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "encoder_brought" in first.stderr + first.stdout
    assert "encoder_was_there" in second.stderr + second.stdout
    assert ENCODERS.find(NAME, tmp_path) == tmp_path / "artifacts" / "encoders" / NAME


def test_the_command_ends_with_one_line_where_there_is_no_such_encoder(tmp_path):
    """With the status that says: another start will not help."""
    done = bring(tmp_path, LODESTONE_EMBEDDER_ENCODER="clip-vit-b-32")
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert "there is no such encoder folder" in done.stderr
