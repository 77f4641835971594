from __future__ import annotations

import json

import pytest

from services.servicekit.errors import Misconfigured
from services.watermark.train.claim import (
    FolderTaken,
    claim_folder,
    refuse_other_variant,
    refuse_trained,
)


def test_two_trainings_do_not_share_a_folder(tmp_path):
    """The second is refused while the first runs; nothing is left in the folder."""
    folder = tmp_path / "deep" / "mine"
    refused = pytest.raises(FolderTaken, match="mine: another training runs in it")
    with claim_folder(folder), refused, claim_folder(folder):
        pytest.fail("it was claimed twice")
    with claim_folder(folder):
        assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    """A file is in its place."""
    (tmp_path / "mine").touch()

    refused = pytest.raises(Misconfigured, match="mine: cannot be made: File exists")
    with refused, claim_folder(tmp_path / "mine"):
        pytest.fail("a file was claimed")


@pytest.mark.parametrize("name", ["checkpoint.pt", "detector.json", "model.onnx"])
def test_a_training_is_not_begun_where_one_was(tmp_path, name):
    """Neither its checkpoint nor its detector is replaced."""
    refuse_trained(tmp_path, "give another folder")
    (tmp_path / name).touch()

    with pytest.raises(FolderTaken, match="it holds a training; give another folder"):
        refuse_trained(tmp_path, "give another folder")


def test_a_detector_of_another_variant_stays(tmp_path):
    """The line says how to get both."""
    refuse_other_variant(tmp_path, "nine")
    path = tmp_path / "detector.json"
    path.write_text(json.dumps({"training": {"variant": "quadrants"}}))
    refuse_other_variant(tmp_path, "quadrants")

    with pytest.raises(FolderTaken, match=r"of variant quadrants: copy checkpoint\.pt into"):
        refuse_other_variant(tmp_path, "nine")
    path.write_text("[]")
    with pytest.raises(FolderTaken, match="of variant unknown"):
        refuse_other_variant(tmp_path, "nine")
