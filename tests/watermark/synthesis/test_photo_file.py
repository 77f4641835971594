from __future__ import annotations

import os

import pytest
from PIL import Image as PillowImage

from services.watermark.synthesis.photo_file import (
    PhotoUnreadable,
    read_photo,
    read_photo_bytes,
    shown,
)
from tests.fakes.image_files import photo


def test_a_photo_is_read(tmp_path):
    """Through a link too."""
    PillowImage.fromarray(photo(40, 30)).save(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")

    assert read_photo(tmp_path / "link.png").tolist() == photo(40, 30).tolist()


def test_what_is_no_file_is_not_read(tmp_path):
    """Neither a pipe that nobody writes to, nor a device without an end, nor a folder, nor nothing."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    for name, reason in (
        ("pipe.png", "it is no file"),
        ("endless.png", "it is no file"),
        ("", "Is a directory"),
        ("missing.png", "No such file or directory"),
    ):
        with pytest.raises(PhotoUnreadable) as caught:
            read_photo(tmp_path / name)
        assert caught.value.reason == reason
        assert str(caught.value) == f"{tmp_path / name}: {reason}"


def test_a_file_is_read_up_to_a_limit(tmp_path):
    """20 MB, as everywhere; one byte more is too many."""
    path = tmp_path / "large.png"
    path.touch()
    os.truncate(path, 20_000_000)
    assert len(read_photo_bytes(path)) == 20_000_000
    os.truncate(path, 20_000_001)
    with pytest.raises(PhotoUnreadable, match="over 20,000,000 bytes"):
        read_photo_bytes(path)


def test_what_does_not_decode_has_a_reason(tmp_path):
    """That of the decoder."""
    (tmp_path / "a.png").write_bytes(b"no photo")
    with pytest.raises(PhotoUnreadable, match="not a JPEG"):
        read_photo(tmp_path / "a.png")


def test_names_can_be_written():
    """Bytes that are no UTF-8 are replaced."""
    assert shown(os.fsdecode(b"caf\xe9.png")) == "caf\ufffd.png"
    assert shown("café.png") == "café.png"
