import csv
import re
from collections import Counter
from pathlib import PurePosixPath

import pytest

from samples.free_photos.listing import (
    FreePhoto,
    Registry,
    Split,
    packages,
    read_listing,
    write_index,
)

KINDS = {
    *("landscape", "city", "macro", "animals", "people"),
    *("objects", "interior", "space", "texture", "text"),
}


def test_every_listed_photo_is_told_whole():
    """Each row has a digest, a licence, an author and a kind, and no path leads out of its package."""
    photos = read_listing()
    assert len(photos) > 400
    for photo in photos:
        assert re.fullmatch(r"[0-9a-f]{64}", photo.digest), photo
        assert photo.licence, photo
        assert photo.author, photo
        assert photo.kind in KINDS, photo
        assert not photo.path.is_absolute(), photo
        assert ".." not in photo.path.parts, photo


def test_no_photo_is_listed_twice():
    """Neither a place in the folder nor a file's content stands there again."""
    photos = read_listing()
    assert max(Counter(photo.target for photo in photos).values()) == 1
    assert max(Counter(photo.digest for photo in photos).values()) == 1


def test_no_package_is_split():
    """What is held out comes from packages that nothing is trained on."""
    splits = {}
    for photo in read_listing():
        splits.setdefault(photo.package, set()).add(photo.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == set(Split)


def test_only_stated_licences_are_trained_on():
    """A photo of which its package does not state the licence is only measured with."""
    unstated = [photo for photo in read_listing() if "not stated there" in photo.licence]
    assert unstated
    assert {photo.split for photo in unstated} == {Split.HELD_OUT}


def test_packages_come_in_order():
    """One registry's packages, each with its own photos."""
    photos = [photo("b", "1"), photo("a", "2"), photo("b", "3"), photo("c", "4", Registry.NPM)]
    found = [(name, [one.name for one in of]) for name, of in packages(photos, Registry.DEBIAN)]
    assert found == [("b", ["1", "3"]), ("a", ["2"])]


def test_index_tells_each_file(tmp_path):
    """The folder's own list has the place, the digest, the licence and the author."""
    write_index(tmp_path, [photo("p@1.0", "x.jpg", Registry.NPM)])
    with (tmp_path / "photos.csv").open(newline="") as rows:
        [row] = csv.DictReader(rows)
    assert row["file"] == "train/p/x.jpg"
    assert (row["sha256"], row["licence"], row["author"]) == ("0" * 64, "CC0-1.0", "A, B")


def test_another_registry_is_refused(tmp_path):
    """A row of a registry that nobody can ask is an error, not a photo that is silently left out."""
    listed = tmp_path / "photos.csv"
    header = "registry,package,path,name,sha256,licence,author,kind,split"
    listed.write_text(f"{header}\ncpan,p,x,x,0,l,a,k,train\n")
    with pytest.raises(ValueError, match="cpan"):
        read_listing(listed)


def photo(package, name, registry=Registry.DEBIAN):
    return FreePhoto(
        registry=registry,
        package=package,
        path=PurePosixPath(name),
        name=name,
        digest="0" * 64,
        licence="CC0-1.0",
        author="A, B",
        kind="city",
        split=Split.TRAIN,
    )
