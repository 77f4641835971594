from __future__ import annotations

import os

import pytest
from PIL import Image as PillowImage

from services.servicekit.errors import Misconfigured
from services.watermark.synthesis.photo_folder import open_folder
from tests.fakes.image_files import photo


def save(path, seed=0, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(photo(*size, seed=seed)).save(path)


def test_photos_have_turns(tmp_path):
    """In the order of their paths, deep down too, again and again."""
    for seed, name in enumerate(("b.png", "a/c.jpg", "d.WEBP")):
        save(tmp_path / name, seed)
    photos = open_folder(tmp_path)

    names = [photos.photo(index)[0].relative_to(tmp_path).as_posix() for index in range(4)]
    assert names == ["a/c.jpg", "b.png", "d.WEBP", "a/c.jpg"]
    assert photos.photo(1)[1].tolist() == photo(40, 30, seed=0).tolist()


def test_large_photos_are_made_smaller(tmp_path):
    """To 1,600 pixels a side."""
    save(tmp_path / "wide.png", size=(2000, 100))
    assert open_folder(tmp_path).photo(0)[1].shape == (80, 1600, 3)


def test_unreadable_photos_are_left_out(tmp_path):
    """Each with its reason; the others take their turns."""
    save(tmp_path / "b.png")
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    (tmp_path / "c.jpg").mkdir()
    os.mkfifo(tmp_path / "d.jpg")
    photos = open_folder(tmp_path)

    assert {photos.photo(index)[0].name for index in range(4)} == {"b.png"}
    assert sorted(path.name for path, _ in photos.left_out) == ["a.jpg", "c.jpg", "d.jpg"]
    assert all(reason for _, reason in photos.left_out)


def test_without_photos_there_is_one_line(tmp_path):
    """No folder, none in it, none readable."""
    with pytest.raises(Misconfigured, match="there is no such folder of photos"):
        open_folder(tmp_path / "none")
    with pytest.raises(Misconfigured, match="there are no photos in it"):
        open_folder(tmp_path)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(Misconfigured, match="none of its 1 photos can be read"):
        open_folder(tmp_path).photo(0)
