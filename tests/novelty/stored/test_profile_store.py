from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.novelty.liked_images import NoLikedImages
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.profile_store import ProfileStore
from services.servicekit.errors import Misconfigured, NotFound, Unavailable
from tests.novelty.tastes import liked_images, mixture, taste

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path):
    return ProfileStore(tmp_path / "profiles", libraries={"numpy": "2"})


def save(store, name="landscapes", request_id="one"):
    return store.save(taste(), name=name, request_id=request_id)


def test_versions_count_up_by_name(store):
    """Each save is the next version of its name, and earlier ones stay readable."""
    assert [str(save(store, request_id=name)) for name in "abc"] == [
        "landscapes@1", "landscapes@2", "landscapes@3",
    ]  # fmt: skip
    assert str(save(store, "birds", "d")) == "birds@1"
    assert store.newest_version("landscapes") == 3
    assert store.names() == ["birds", "landscapes"]
    assert store.load("landscapes", 2).request_id == "b"


def test_versions_count_as_numbers(store, tmp_path):
    """Version 10 comes after 9."""
    for number in range(10):
        save(store, request_id=str(number))
    assert store.newest_version("landscapes") == 10
    assert store.versions_before("landscapes", 10) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert store.versions_before("landscapes", 1) == store.versions_before("birds", 5) == []
    assert str(save(store, request_id="x")) == "landscapes@11"


def test_the_files_are_where_the_design_says(store, tmp_path):
    """profiles/<name>/<version>/ holds profile.npz and profile.json, and nothing else stays behind."""
    save(store)
    folder = tmp_path / "profiles" / "landscapes" / "1"
    assert sorted(path.name for path in folder.iterdir()) == ["profile.json", "profile.npz"]
    assert json.loads((folder / "profile.json").read_text())["libraries"] == {"numpy": "2"}
    assert sorted(path.name for path in (tmp_path / "profiles").iterdir()) == [
        ".lock",
        "landscapes",
    ]


def test_the_same_request_is_stored_once(store, tmp_path):
    """Whatever the name, in this process or after a restart, the id brings back its profile."""
    first = save(store, request_id="same")
    again = ProfileStore(tmp_path / "profiles", libraries={})
    for other in (store, again):
        assert str(save(other, "another-name", "same")) == str(first) == "landscapes@1"
        assert str(other.find("same")) == "landscapes@1"
    assert store.names() == ["landscapes"]
    assert store.find("unknown") is None


def test_concurrent_saves_get_their_own_versions(store, tmp_path):
    """Two stores on one folder, many threads: no version is lost or taken twice."""
    other = ProfileStore(tmp_path / "profiles", libraries={})
    with ThreadPoolExecutor(8) as threads:
        jobs = [
            threads.submit(save, (store, other)[number % 2], request_id=str(number))
            for number in range(20)
        ]
        versions = sorted(job.result().version for job in jobs)
    assert versions == list(range(1, 21))
    assert sorted(store.load("landscapes", v).request_id for v in versions) == sorted(
        str(number) for number in range(20)
    )


def test_missing_profiles(store):
    """A name or version that is not there is NotFound by the name that was asked for."""
    save(store)
    with pytest.raises(NotFound, match="there is no profile 'birds'"):
        store.newest_version("birds")
    with pytest.raises(NotFound, match="there is no profile 'landscapes@2'"):
        store.load("landscapes", 2)


def test_a_corrupt_profile_leaves_the_others(store, tmp_path):
    """The broken version is an error, the others load, and its request is fitted anew."""
    for request_id in "ab":
        save(store, request_id=request_id)
    (tmp_path / "profiles" / "landscapes" / "2" / "profile.npz").write_bytes(b"broken")
    with pytest.raises(ProfileDamaged, match=r"landscapes@2 is damaged: profile\.npz has"):
        store.load("landscapes", 2)
    assert store.load("landscapes", 1).request_id == "a"
    assert store.find("b") is None
    assert str(save(store, request_id="b")) == "landscapes@3"


def test_a_profile_in_another_ones_place(store, tmp_path):
    """A folder that was copied under another name does not pass for that one."""
    save(store)
    root = tmp_path / "profiles"
    (root / "birds").mkdir()
    (root / "landscapes" / "1").rename(root / "birds" / "4")
    with pytest.raises(
        ProfileDamaged, match="birds@4 is damaged: its files are those of landscapes@1"
    ):
        store.load("birds", 4)


def test_strange_entries_are_no_profiles(store, tmp_path):
    """Files and folders that people leave there do not matter."""
    save(store)
    root = tmp_path / "profiles"
    (root / "README").write_text("mine")
    (root / "Upper").mkdir()
    (root / "empty").mkdir()
    for name in ("01", "0", "x", ".tmp"):
        (root / "landscapes" / name).mkdir()
    assert store.names() == ["landscapes"]
    assert store.newest_version("landscapes") == 1


def test_a_killed_writer_leaves_no_half_profile(store, tmp_path):
    """A process that dies between writing and renaming leaves nothing that is taken for a profile, and no lock."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from services.novelty.stored.profile_store import ProfileStore\n"
        "from tests.novelty.tastes import liked_images, mixture, taste\n"
        "store = ProfileStore(Path(sys.argv[1]), libraries={})\n"
        "Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.save(taste(), name='landscapes', request_id='killed')\n"
    )
    root = tmp_path / "profiles"
    done = subprocess.run([sys.executable, "-c", code, str(root)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (root / ".staging").iterdir()) == [
        "profile.json",
        "profile.npz",
    ]
    assert store.names() == []
    assert store.find("killed") is None
    assert str(save(store, request_id="killed")) == "landscapes@1"
    assert not (root / ".staging").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    """A file in its place stops the start with one sentence."""
    (tmp_path / "profiles").write_text("in the way")
    with pytest.raises(Misconfigured, match=r"cannot keep profiles in .*profiles: "):
        ProfileStore(tmp_path / "profiles", libraries={})


def test_a_disk_that_does_not_take_it(store, monkeypatch):
    """A full disk is an error of the store, with nothing half stored."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="folder of profiles is unavailable: No space left"):
            save(store)
    assert store.names() == []
    assert str(save(store)) == "landscapes@1"


def save_whole(store, request_id="one"):
    return store.save(taste(), name="landscapes", request_id=request_id, liked=liked_images())


def test_what_it_was_fitted_to_is_kept(store, tmp_path):
    """Beside the profile, and it comes back."""
    save_whole(store)
    folder = tmp_path / "profiles" / "landscapes" / "1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "background.npy", "liked.json", "liked.npy", "profile.json", "profile.npz",
    ]  # fmt: skip
    found = store.liked_images("landscapes", 1)
    assert found.labels == liked_images().labels
    assert (found.embeddings[:] == liked_images().embeddings).all()


def test_a_profile_that_keeps_nothing_of_it(store):
    """Of an older release, for example."""
    save(store)
    with pytest.raises(NoLikedImages, match="landscapes@1 was fitted before profiles kept"):
        store.liked_images("landscapes", 1)
    with pytest.raises(NotFound, match="landscapes@2"):
        store.liked_images("landscapes", 2)


@pytest.mark.parametrize("name", ["liked.npy", "background.npy", "liked.json"])
def test_damaged_liked_images_do_not_stop_the_profile(store, tmp_path, name):
    """It loads as ever; only who asks for them hears what is damaged."""
    save_whole(store)
    (tmp_path / "profiles" / "landscapes" / "1" / name).unlink()
    assert str(store.load("landscapes", 1)) == "landscapes@1"
    with pytest.raises(ProfileDamaged, match=f"landscapes@1 is damaged: {name} is missing; "):
        store.liked_images("landscapes", 1)


@pytest.mark.parametrize("name", ["profile.json", "profile.npz", "liked.npy"])
def test_files_that_are_links(store, tmp_path, name):
    """What lies elsewhere is no part of the profile, be it the same file."""
    save_whole(store)
    path = tmp_path / "profiles" / "landscapes" / "1" / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    read = store.liked_images if name == "liked.npy" else store.load
    with pytest.raises(ProfileDamaged, match=f"landscapes@1 is damaged: {name} is a link; "):
        read("landscapes", 1)


def test_a_folder_that_is_a_link(store, tmp_path):
    """Nor is a whole version."""
    save_whole(store)
    folder = tmp_path / "profiles" / "landscapes" / "1"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    for read in (store.load, store.liked_images):
        with pytest.raises(ProfileDamaged, match="landscapes@1 is damaged: its folder is a link"):
            read("landscapes", 1)


def other_threshold(threshold_nats=-1.0):
    return taste(threshold_nats=threshold_nats, keep_ratio=None)


def test_a_variant_is_the_next_version(store, tmp_path):
    """With the same mixture and the same files of liked images, and it says what it was made from."""
    base = save_whole(store)
    variant = store.save_variant(base, other_threshold())
    assert (str(variant), variant.base_profile, variant.request_id) == (
        "landscapes@2",
        "landscapes@1",
        "",
    )
    found = store.load("landscapes", 2)
    assert (found.taste.threshold_nats, found.base_profile) == (-1.0, "landscapes@1")
    assert (found.taste.mixture.means == base.taste.mixture.means).all()
    root = tmp_path / "profiles" / "landscapes"
    assert (root / "1" / "liked.npy").samefile(root / "2" / "liked.npy")
    assert store.liked_images("landscapes", 2).labels == liked_images().labels
    store.delete("landscapes", 1)
    assert len(store.liked_images("landscapes", 2)) == 21


def test_a_variant_is_made_once(store):
    """Asked for again, of the first version, it is the newest; but an older one is not the newest again."""
    base = save_whole(store)
    first = store.save_variant(base, other_threshold())
    assert str(store.save_variant(base, other_threshold())) == str(first) == "landscapes@2"
    assert str(store.save_variant(first, base.taste)) == "landscapes@3"
    assert str(store.save_variant(base, other_threshold())) == "landscapes@4"


def test_a_variant_of_another_mixture(store):
    """The newest version has the threshold, but another mixture."""
    base = save_whole(store)
    other = taste(mixture(seed=5), threshold_nats=-1.0, keep_ratio=None)
    store.save(other, name="landscapes", request_id="two")
    assert str(store.save_variant(base, other_threshold())) == "landscapes@3"


def test_a_variant_of_what_is_damaged(store, tmp_path):
    """Missing liked images are missing there too; a missing profile.json is an error."""
    base = save_whole(store)
    (tmp_path / "profiles" / "landscapes" / "1" / "liked.npy").unlink()
    variant = store.save_variant(base, other_threshold())
    assert str(store.load("landscapes", 2)) == str(variant)
    with pytest.raises(ProfileDamaged, match=r"landscapes@2 is damaged: liked\.npy is missing"):
        store.liked_images("landscapes", 2)
    (tmp_path / "profiles" / "landscapes" / "1" / "profile.json").unlink()
    with pytest.raises(ProfileDamaged, match="landscapes@1"):
        store.save_variant(base, other_threshold(-5.0))


def test_a_variant_of_what_kept_no_liked_images(store):
    """It keeps none either."""
    variant = store.save_variant(save(store), other_threshold())
    with pytest.raises(NoLikedImages, match=str(variant)):
        store.liked_images("landscapes", 2)


def test_deleting_one_version(store, tmp_path):
    """The others stay, and its number is not given out again, be it the highest."""
    for request_id in "abc":
        save_whole(store, request_id)
    assert store.delete("landscapes", 3) == [3]
    assert store.newest_version("landscapes") == 2
    for gone in (lambda: store.load("landscapes", 3), lambda: store.delete("landscapes", 3)):
        with pytest.raises(NotFound, match="there is no profile 'landscapes@3'"):
            gone()
    assert store.find("c") is None
    folder = tmp_path / "profiles" / "landscapes" / "3"
    assert [path.name for path in folder.iterdir()] == ["deleted"]
    assert str(save_whole(store, "d")) == "landscapes@4"


def test_deleting_a_name(store):
    """All of its versions, damaged ones too; then there is nothing to delete."""
    for request_id in "ab":
        save_whole(store, request_id)
    save(store, "birds", "c")
    (store.folder("landscapes", 2) / "profile.json").unlink()
    assert store.delete("landscapes", None) == [1, 2]
    assert store.names() == ["birds"]
    with pytest.raises(NotFound, match="there is no profile 'landscapes'"):
        store.delete("landscapes", None)
    assert str(save_whole(store, "a")) == "landscapes@3"


def test_a_version_deleted_while_others_look(store, tmp_path):
    """Its base is gone when a variant is to be stored."""
    base = save_whole(store)
    ProfileStore(tmp_path / "profiles", libraries={}).delete("landscapes", 1)
    with pytest.raises(NotFound, match="landscapes@1"):
        store.save_variant(base, other_threshold())
