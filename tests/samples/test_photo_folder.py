import json

import pytest

from samples.errors import TooFewPhotosError
from samples.photo_folder import (
    MINIMUM,
    Photo,
    Role,
    link_or_copy,
    list_photos,
    load_photos,
    seal_photos,
)


def filled(folder, *, less=None):
    photos = []
    for role, count in MINIMUM.items():
        (folder / role).mkdir(parents=True)
        for n in range(count - (role == less)):
            photo = Photo(role, f"{role}-{n}.jpg", "CC0-1.0", "someone", "a test")
            (folder / role / photo.name).write_bytes(b"x")
            photos.append(photo)
    return photos


def test_what_was_sealed_is_loaded(tmp_path):
    """Every role's files come back in their order, and the index keeps licence, author and source."""
    photos = filled(tmp_path)
    seal_photos(tmp_path, photos, key="k")
    loaded = load_photos(tmp_path, "k")
    assert loaded.liked == tuple(tmp_path / "liked" / f"liked-{n}.jpg" for n in range(12))
    row = json.loads((tmp_path / "photos.json").read_text())["photos"][0]
    assert row == {
        "role": "liked",
        "name": "liked-0.jpg",
        "licence": "CC0-1.0",
        "author": "someone",
        "source": "a test",
    }


def test_what_was_sealed_can_be_listed(tmp_path):
    """With licence, author and source."""
    photos = filled(tmp_path)
    seal_photos(tmp_path, photos, key="k")
    assert list_photos(tmp_path) == photos


def test_another_key_or_no_index_is_nothing(tmp_path):
    """A folder without an index, with a broken one, or of another list is not taken."""
    photos = filled(tmp_path)
    assert load_photos(tmp_path, "k") is None
    seal_photos(tmp_path, photos, key="k")
    assert load_photos(tmp_path, "other") is None
    (tmp_path / "photos.json").write_text('{"key": "k"')
    assert load_photos(tmp_path, "k") is None


@pytest.mark.parametrize("role", list(Role))
def test_too_few_of_a_role_is_an_error(tmp_path, role):
    """One photo less than needed: the error names the role and both numbers."""
    photos = filled(tmp_path, less=role)
    wanted = MINIMUM[role]
    with pytest.raises(TooFewPhotosError, match=f"only {wanted - 1} {role} .* least {wanted}"):
        seal_photos(tmp_path, photos, key="k")
    assert load_photos(tmp_path, "k") is None


def test_link_or_copy_falls_back_to_a_copy(tmp_path, monkeypatch):
    """On a file system without hard links the bytes are copied."""

    def refuse(source, target):
        raise OSError("no links here")

    (tmp_path / "a").write_bytes(b"abc")
    link_or_copy(tmp_path / "a", tmp_path / "b" / "c")
    assert (tmp_path / "b" / "c").stat().st_ino == (tmp_path / "a").stat().st_ino
    monkeypatch.setattr("os.link", refuse)
    link_or_copy(tmp_path / "a", tmp_path / "b" / "d")
    assert (tmp_path / "b" / "d").read_bytes() == b"abc"
