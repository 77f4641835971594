from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest

from services.novelty.liked_images import ImageLabel
from services.novelty.stored import liked_files
from services.novelty.stored.liked_files import link_liked, read_liked, write_liked
from services.novelty.stored.profile_facts import ProfileFacts
from services.novelty.stored.stored_files import UnusableFile
from tests.novelty.tastes import liked_images, profile

FILES = ["background.npy", "liked.json", "liked.npy"]


def facts(digests):
    return ProfileFacts.of(profile(), sha256="c" * 64, liked=digests, libraries={})


def written(folder, liked=None):
    folder.mkdir(exist_ok=True)
    return write_liked(folder, liked or liked_images())


def read(folder, digests):
    return read_liked(folder, facts(digests), digests)


def forged(folder, digests, changes):
    """Other labels, with the digest that makes them look right."""
    content = json.loads((folder / "liked.json").read_text()) | changes
    text = json.dumps({name: value for name, value in content.items() if value is not None})
    (folder / "liked.json").write_text(text)
    return replace(digests, labels=hashlib.sha256(text.encode()).hexdigest())


def test_what_is_written_is_read(tmp_path):
    """Embeddings, labels, scores and what repeats what, in the order in which they were sent."""
    liked = liked_images()
    found = read(tmp_path, written(tmp_path, liked))
    np.testing.assert_array_equal(found.embeddings[:], liked.embeddings)
    np.testing.assert_array_equal(found.background[:], liked.background)
    assert found.labels == liked.labels
    assert found.held_out_log_likelihoods == liked.held_out_log_likelihoods
    assert found.originals == liked.originals
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def test_names_of_any_kind(tmp_path):
    """The longest ones of the widest characters fit, and quotes are no trouble."""
    names = ["\U0001f5bc" * 255, '"\\' * 100, "été"] * 7
    liked = liked_images(labels=tuple(ImageLabel("f" * 64, name) for name in names))
    assert [label.name for label in read(tmp_path, written(tmp_path, liked)).labels] == names


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(tmp_path, name):
    """Is named."""
    digests = written(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UnusableFile, match=f"^{name} is missing$"):
        read(tmp_path, digests)


@pytest.mark.parametrize("name", FILES)
def test_another_digest(tmp_path, name):
    """One changed byte is noticed."""
    digests = written(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[-2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnusableFile, match=f"^{name} has another SHA-256 than profile.json says$"):
        read(tmp_path, digests)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"names": None}, "is wrong in field 'names': field required"),
        ({"more": []}, "is wrong in field 'more'"),
        ({"names": [1] * 21}, "is wrong in field 'names.0'"),
        ({"names": ["x"] * 20}, "has 20 names, not 21"),
        ({"digests": []}, "has 0 digests, not 21"),
        ({"originals": [None] * 22}, "has 22 originals, not 21"),
        ({"digests": ["x"] * 21}, "has a label that is none: its digest is 'x'"),
        ({"names": ["a\nb"] * 21}, "has a label that is none: its name has a control character"),
        ({"held_out_log_likelihoods": ["1"] * 21}, "is wrong in field 'held_out_log_likelihoods.0'"),
        ({"held_out_log_likelihoods": [float("nan")] * 21}, "is "),
        ({"originals": [-1, *[None] * 20]}, "is wrong in field 'originals.0'"),
        ({"originals": [0, *[None] * 20]}, "says that 0 repeats 0"),
        ({"originals": [None, 3, *[None] * 19]}, "says that 1 repeats 3"),
        ({"originals": [None, 0, 1, *[None] * 18]}, "says that 2 repeats 1"),
    ],
)  # fmt: skip
def test_labels_that_are_wrong(tmp_path, changes, problem):
    """Even with the right digest they are one clear line."""
    digests = forged(tmp_path, written(tmp_path), changes)
    with pytest.raises(UnusableFile) as caught:
        read(tmp_path, digests)
    assert str(caught.value).startswith(f"liked.json {problem}")


def test_the_labels_that_the_wrong_ones_differ_from(tmp_path):
    """The forgery itself is sound."""
    assert len(read(tmp_path, forged(tmp_path, written(tmp_path), {}))) == 21


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"[" * 20_000, b"{}"])
def test_labels_that_are_no_json(tmp_path, content):
    """Nothing of them is trusted."""
    digests = written(tmp_path)
    (tmp_path / "liked.json").write_bytes(content)
    digests = replace(digests, labels=hashlib.sha256(content).hexdigest())
    with pytest.raises(UnusableFile, match=r"^liked\.json is (not valid JSON|wrong in field)"):
        read(tmp_path, digests)


def test_labels_over_the_limit(tmp_path):
    """They are not read to their end: so many images have names of so many bytes at most."""
    digests = written(tmp_path)
    (tmp_path / "liked.json").write_bytes(b" " * (4096 + 1536 * 21 + 1))
    with pytest.raises(UnusableFile, match=r"^liked\.json has more than 36,352 bytes$"):
        read(tmp_path, digests)


def test_another_version_has_the_same_files(tmp_path):
    """Not copies of them."""
    digests = written(tmp_path / "1")
    (tmp_path / "2").mkdir()
    link_liked(tmp_path / "1", tmp_path / "2")
    assert len(read(tmp_path / "2", digests)) == 21
    for name in FILES:
        assert (tmp_path / "1" / name).samefile(tmp_path / "2" / name)


def test_copies_where_a_file_has_one_name(tmp_path, monkeypatch):
    """On a file system without hard links."""

    def refuse(*_args, **_options):
        raise PermissionError(1, "Operation not permitted")

    digests = written(tmp_path / "1")
    (tmp_path / "2").mkdir()
    monkeypatch.setattr(os, "link", refuse)
    link_liked(tmp_path / "1", tmp_path / "2")
    assert len(read(tmp_path / "2", digests)) == 21
    assert not (tmp_path / "1" / "liked.npy").samefile(tmp_path / "2" / "liked.npy")


def test_damage_is_passed_on_and_no_more(tmp_path):
    """What is missing stays missing."""
    digests = written(tmp_path / "1")
    (tmp_path / "1" / "liked.npy").unlink()
    (tmp_path / "2").mkdir()
    link_liked(tmp_path / "1", tmp_path / "2")
    assert not (tmp_path / "2" / "liked.npy").exists()
    with pytest.raises(UnusableFile, match=r"^liked\.npy is missing$"):
        read(tmp_path / "2", digests)


IN_PLACE = [
    (lambda path: path.symlink_to("elsewhere"), "is a link"),
    (os.mkfifo, "is no regular file"),
    (os.mkdir, "is no regular file"),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("make", "problem"), IN_PLACE, ids=["link", "pipe", "folder"])
def test_only_regular_files_are_passed_on(tmp_path, name, make, problem):
    """A link, a pipe or a folder in place of one is named, and waited for by nobody."""
    written(tmp_path / "1")
    (tmp_path / "1" / name).unlink()
    make(tmp_path / "1" / name)
    (tmp_path / "2").mkdir()
    with pytest.raises(UnusableFile, match=f"^{name} {problem}$"):
        link_liked(tmp_path / "1", tmp_path / "2")


def test_the_limit_is_over_what_is_written(tmp_path):
    """The longest labels, all with scores of many digits, stay under it."""
    score = -1.2345678901234567e-300
    liked = liked_images(
        labels=(ImageLabel("f" * 64, "\U0001f5bc" * 255),) * 21,
        held_out_log_likelihoods=(score,) * 21,
        originals=(None,) * 21,
    )
    read(tmp_path, written(tmp_path, liked))
    size = (tmp_path / "liked.json").stat().st_size
    assert size < 21 * liked_files._BYTES_OF_ONE
