from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from services.servicekit.errors import Misconfigured
from services.watermark.evaluate.photo_files import find_photo_files


def save(path, level=90, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level,) * 3).save(path)
    return path


def test_the_first_folder_is_the_source(tmp_path):
    """Of a photo directly in the folder, the folder itself; copies and other files are left out."""
    save(tmp_path / "b" / "deep" / "one.png", 10)
    save(tmp_path / "c" / "copy.png", 10)
    save(tmp_path / "two.png", 20)
    (tmp_path / "notes.txt").write_text("no image")

    found = find_photo_files(tmp_path)

    assert [(one.name, one.source) for one in found] == [
        ("b/deep/one.png", "b"),
        ("two.png", tmp_path.name),
    ]


def test_photos_are_kept_by_their_digest(tmp_path):
    """What training had is left out."""
    wanted = save(tmp_path / "a.png", 10)
    save(tmp_path / "b.png", 20)
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()

    found = find_photo_files(tmp_path, keep=lambda one: one == digest)

    assert [one.path for one in found] == [wanted]


def test_large_photos_are_made_small(tmp_path):
    """Small ones stay as they are; what does not decode is none."""
    save(tmp_path / "a.png", size=(400, 200))
    (tmp_path / "b.png").write_bytes(b"broken")
    large, broken = find_photo_files(tmp_path)

    assert large.read(100).shape == (50, 100, 3)
    assert large.read(500).shape == (200, 400, 3)
    assert np.all(large.read() == 90)
    assert broken.read() is None


def test_what_is_no_photo_is_left_out(tmp_path):
    """Too many bytes, no file; names that are not UTF-8 can be shown."""
    save(tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    (tmp_path / "large.png").touch()
    os.truncate(tmp_path / "large.png", 20_000_001)
    os.mkfifo(tmp_path / "pipe.png")

    assert [one.name for one in find_photo_files(tmp_path)] == ["caf\ufffd.png"]


def test_a_folder_without_photos_is_refused(tmp_path):
    """One that is missing, too."""
    with pytest.raises(Misconfigured, match="no images"):
        find_photo_files(tmp_path)
    with pytest.raises(Misconfigured, match="no such folder"):
        find_photo_files(tmp_path / "missing")
