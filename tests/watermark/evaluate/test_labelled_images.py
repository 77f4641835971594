from __future__ import annotations

import json

import pytest
import structlog
from PIL import Image

from services.servicekit.errors import Misconfigured
from services.watermark.evaluate.judged_image import Truth
from services.watermark.evaluate.labelled_images import is_labelled, labelled_images, read_labels

LABEL = {"name": "1.png", "photo": "p.jpg", "kind": "tiled", "opacity": 0.4, "width_ratio": 0.2}


@pytest.fixture
def folder(tmp_path):
    """Two images in each folder."""
    for place, name in enumerate(("clean", "marked")):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            level = 50 * place + number
            Image.new("RGB", (64, 48), (level,) * 3).save(tmp_path / name / f"{number}.png")
    return tmp_path


def label(folder, **changes):
    line = json.dumps({**LABEL, "box": [1, 2, 3, 4], "text": "a", **changes})
    (folder / "labels.jsonl").write_text(line + "\n")


def test_folders_are_labels(folder):
    """Without `labels.jsonl` nothing is known of a mark."""
    found = [facts for facts, _ in labelled_images(folder, None)]

    assert is_labelled(folder)
    assert [facts.truth for facts in found] == [Truth.CLEAN] * 2 + [Truth.MARKED] * 2
    assert [facts.name for facts in found][2] == "marked/1.png"
    assert (found[2].kind, found[2].opacity) == ("", None)


def test_images_of_one_name_are_of_one_photo(folder):
    """Whatever their suffixes; one without a counterpart, or in another folder, is a photo of its own."""
    (folder / "marked" / "1.png").rename(folder / "marked" / "1.webp")
    (folder / "marked" / "deep").mkdir()
    (folder / "marked" / "2.png").rename(folder / "marked" / "deep" / "2.png")

    found = [facts for facts, _ in labelled_images(folder, None)]

    names = ["clean/1.png", "clean/2.png", "marked/1.webp", "marked/deep/2.png"]
    assert [facts.name for facts in found] == names
    photos = [facts.photo for facts in found]
    assert photos[0] == photos[2] == "1"
    assert len(set(photos)) == 3


def test_labels_are_read(folder):
    """Both images of a pair are of one photo."""
    label(folder)

    clean, second, marked, other = (facts for facts, _ in labelled_images(folder, None))

    assert clean.photo == marked.photo == "p.jpg"
    assert second.photo == other.photo == "2"
    assert (marked.generator, marked.kind, marked.width_ratio) == ("first", "tiled", 0.2)
    assert (clean.truth, clean.kind) == (Truth.CLEAN, "")


def test_a_hard_negative_in_both_is_said(folder):
    """The clean one is a hard negative then."""
    label(folder, negative="date-stamp")

    clean, _, marked, _ = (facts for facts, _ in labelled_images(folder, None))

    assert (clean.truth, clean.kind) == (Truth.HARD_NEGATIVE, "date-stamp")
    assert marked.truth is Truth.MARKED


def test_a_label_without_an_image_is_told(folder):
    """And the images are judged all the same."""
    label(folder, name="gone.png")

    with structlog.testing.capture_logs() as logs:
        found = list(labelled_images(folder, None))

    assert len(found) == 4
    assert [(log["event"], log["image"]) for log in logs] == [("left_out", "gone.png")]


def test_a_text_may_have_a_line_end_of_its_own(folder):
    """U+2028 ends no line of the file."""
    line = json.dumps({**LABEL, "text": "a\u2028b"}, ensure_ascii=False)
    (folder / "labels.jsonl").write_text(line + "\n", encoding="utf-8")

    assert list(read_labels(folder / "labels.jsonl")) == ["1.png"]


def test_a_limit_is_for_each_label(folder):
    """One clean, one marked."""
    assert [facts.truth for facts, _ in labelled_images(folder, 1)] == [Truth.CLEAN, Truth.MARKED]


def test_one_folder_alone_is_refused(tmp_path):
    """Half of the labels are missing; neither folder means photos."""
    assert not is_labelled(tmp_path)
    (tmp_path / "marked").mkdir()
    with pytest.raises(Misconfigured, match="both are needed"):
        is_labelled(tmp_path)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"{", "the line"),
        (b'{"name": "a"}', "photo"),
        (b"[]", "the line"),
        (b'{"name": "caf\xe9.png"}', "the line"),
        (json.dumps({**LABEL, "opacity": float("nan")}).encode(), "opacity"),
        (json.dumps({**LABEL, "opacity": 1.5}).encode(), "opacity"),
        (json.dumps({**LABEL, "width_ratio": -0.1}).encode(), "width_ratio"),
    ],
)
def test_a_wrong_label_is_named(tmp_path, line, field):
    """Its line and its field."""
    path = tmp_path / "labels.jsonl"
    path.write_bytes(json.dumps(LABEL).encode() + b"\n" + line + b"\n")
    with pytest.raises(Misconfigured, match=f"line 2: {field}") as caught:
        read_labels(path)
    assert "\n" not in str(caught.value)
