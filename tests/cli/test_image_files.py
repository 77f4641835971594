"""Image files, found and read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import MAX_BYTES, Unreadable, expand, find_images, read_image, shown


def test_images_are_found_by_suffix_in_subfolders_and_sorted(tmp_path):
    """Any case; other files and folders with such names are left."""
    (tmp_path / "b").mkdir()
    (tmp_path / "folder.jpg").mkdir()
    for name in ("b/2.JPEG", "1.png", "3.webp", "notes.txt", "a.avif", "c.gif"):
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == ["1.png", "3.webp", "a.avif", "b/2.JPEG", "c.gif"]


def test_links_in_a_circle_are_not_followed(tmp_path):
    """A link to a folder above does not make the search endless."""
    (tmp_path / "1.png").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert find_images(tmp_path) == [tmp_path / "1.png"]


def test_every_file_of_a_folder_is_expanded(tmp_path):
    """Non-images too; files as they are; an empty folder stands for itself."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "b.txt").touch()
    (tmp_path / "some" / "a.png").touch()
    given = [tmp_path / "some" / "b.txt", tmp_path / "some", tmp_path / "empty"]
    assert list(expand(given)) == [
        tmp_path / "some" / "b.txt",
        tmp_path / "some" / "a.png",
        tmp_path / "some" / "b.txt",
        tmp_path / "empty",
    ]
    with pytest.raises(CliError, match="there is no file or folder"):
        list(expand([tmp_path / "nope"]))


async def test_the_size_limit_is_inclusive(tmp_path):
    """Exactly 20 MB is read, one byte more is not."""
    path = tmp_path / "big.jpg"
    path.touch()
    os.truncate(path, MAX_BYTES)
    image = await read_image(path)
    assert len(image.encoded) == MAX_BYTES
    os.truncate(path, MAX_BYTES + 1)
    assert (await read_image(path)).verdict == "TOO_MANY_BYTES"


async def test_what_cannot_be_read_has_a_reason(tmp_path, monkeypatch):
    """Gone, and forbidden."""
    gone = await read_image(tmp_path / "gone.jpg")
    assert gone == Unreadable("UNREADABLE", "not a regular file")
    (tmp_path / "mine.jpg").touch()

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    forbidden = await read_image(tmp_path / "mine.jpg")
    assert forbidden == Unreadable("UNREADABLE", "permission denied")


def test_broken_names_can_be_shown():
    """A name that is no UTF-8."""
    assert shown(Path(os.fsdecode(b"a\xff.jpg"))) == "a�.jpg"
