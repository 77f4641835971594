from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from services.novelty.stored.stored_files import UnusableFile
from services.novelty.stored.thumbnail_files import (
    CARRIED,
    GIVEN,
    copy_thumbnails,
    find_thumbnails,
    read_thumbnails,
    write_carried,
    write_thumbnails,
)
from tests.novelty.thumbnail_samples import contents, thumbnails


def put(version, some, folder=GIVEN):
    (version / folder).mkdir(parents=True)
    write_thumbnails(version / folder, some)


@pytest.fixture
def version(tmp_path):
    return tmp_path / "1"


@pytest.fixture
def stored(version):
    """The folder of a version with thumbnails of the images 0, 2, ... 16."""
    put(version, thumbnails(range(0, 18, 2)))
    return version / GIVEN


def change_facts(folder, **changes):
    path = folder / "thumbnails.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_they_come_back_as_they_were(version, stored):
    """JPEGs byte for byte, embeddings bit for bit."""
    read = read_thumbnails(version, 4)
    assert contents(read) == contents(thumbnails(range(0, 18, 2)))
    assert read[0].embedding.dtype == np.float32
    assert find_thumbnails(version).positions == tuple(range(0, 18, 2))


def test_a_version_without_any(version):
    """Nothing is there and nothing is wrong."""
    version.mkdir()
    assert read_thumbnails(version, 4) == ()
    assert find_thumbnails(version) is None


def test_another_set_has_another_digest(tmp_path):
    """Of other images, other JPEGs or other embeddings; the same set has the same."""
    sets = [
        thumbnails(),
        thumbnails(range(1, 10)),
        thumbnails(seed=1),
        (*thumbnails()[:8], replace(thumbnails()[8], embedding=thumbnails()[7].embedding)),
        thumbnails(),
    ]
    digests = []
    for number, some in enumerate(sets):
        put(tmp_path / str(number), some)
        digests.append(find_thumbnails(tmp_path / str(number)).sha256)
    assert digests[0] == digests[4]
    assert len(set(digests)) == 4


def test_given_ones_stand_in_place_of_carried_ones(version):
    """As long as none are given those that were carried over serve."""
    put(version, thumbnails([1, 2], seed=5), CARRIED)
    assert find_thumbnails(version).positions == (1, 2)
    put(version, thumbnails([3]))
    assert contents(read_thumbnails(version, 4)) == contents(thumbnails([3]))


def test_a_refit_writes_them_apart(version):
    """So that what is given later can stand in their place."""
    version.mkdir()
    write_carried(version, thumbnails([1, 2]))
    assert [path.name for path in version.iterdir()] == [CARRIED]
    assert contents(read_thumbnails(version, 4)) == contents(thumbnails([1, 2]))


def test_a_version_of_the_same_images_gets_the_same(tmp_path, version, stored):
    """Given and carried ones."""
    put(version, thumbnails([1], seed=5), CARRIED)
    (tmp_path / "2").mkdir()
    copy_thumbnails(version, tmp_path / "2")
    assert find_thumbnails(tmp_path / "2") == find_thumbnails(version)
    assert contents(read_thumbnails(tmp_path / "2", 4)) == contents(read_thumbnails(version, 4))
    assert (tmp_path / "2" / CARRIED / "1.jpg").is_file()
    (tmp_path / "3").mkdir()
    copy_thumbnails(tmp_path / "3", tmp_path / "2")


DAMAGES = {
    r"thumbnails/thumbnails.json is missing": lambda folder: (folder / "thumbnails.json").unlink(),
    r"thumbnails/thumbnails.json is not valid JSON": lambda folder: (
        folder / "thumbnails.json"
    ).write_text("{"),
    r"thumbnails/thumbnails.json has more than 65,536 bytes": lambda folder: (
        folder / "thumbnails.json"
    ).write_text(" " * 70_000),
    r"thumbnails/thumbnails.json is wrong in field 'format_version'": lambda folder: change_facts(
        folder, format_version=2
    ),
    r"thumbnails/thumbnails.json has positions that do not ascend": lambda folder: change_facts(
        folder, positions=[0, 4, 2, 6, 8, 10, 12, 14, 16]
    ),
    r"thumbnails/thumbnails.json has 0 digests for 9 positions": lambda folder: change_facts(
        folder, jpeg_sha256=[]
    ),
    r"thumbnails/thumbnails.json is wrong in field 'positions'": lambda folder: change_facts(
        folder, positions=list(range(65))
    ),
    r"thumbnails/6.jpg is missing": lambda folder: (folder / "6.jpg").unlink(),
    r"thumbnails/6.jpg has another SHA-256": lambda folder: (folder / "6.jpg").write_bytes(b"no"),
    r"thumbnails/6.jpg has more than 65,536 bytes": lambda folder: (folder / "6.jpg").write_bytes(
        bytes(65_537)
    ),
    r"thumbnails/embeddings.npy is missing": lambda folder: (folder / "embeddings.npy").unlink(),
    r"thumbnails/embeddings.npy has": lambda folder: (folder / "embeddings.npy").write_bytes(b"no"),
}


@pytest.mark.parametrize("problem", DAMAGES)
def test_damaged_files_are_named(version, stored, problem):
    """One clear sentence each."""
    DAMAGES[problem](stored)
    with pytest.raises(UnusableFile, match=f"^{problem}"):
        read_thumbnails(version, 4)


def test_links_are_not_followed(tmp_path, version, stored):
    """Neither of the folder nor of a file in it."""
    (stored / "2.jpg").rename(tmp_path / "2.jpg")
    (stored / "2.jpg").symlink_to(tmp_path / "2.jpg")
    with pytest.raises(UnusableFile, match=r"^thumbnails/2.jpg is a link"):
        read_thumbnails(version, 4)
    stored.rename(tmp_path / "elsewhere")
    stored.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnusableFile, match=r"^thumbnails is a link"):
        find_thumbnails(version)
    (tmp_path / "2").mkdir()
    copy_thumbnails(version, tmp_path / "2")
    assert list((tmp_path / "2").iterdir()) == []


def test_they_are_of_the_profiles_dimension(version, stored):
    """Those of another encoder cannot be scored."""
    with pytest.raises(UnusableFile, match=r"is of embeddings of 4 values, not 16"):
        read_thumbnails(version, 16)
