from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from services.novelty.profile_files import ProfileDamaged
from services.novelty.profile_store import ProfileStore
from services.servicekit.errors import Misconfigured, NotFound, Unavailable
from tests.novelty.tastes import taste

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


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
        "from services.novelty.profile_store import ProfileStore\n"
        "from tests.novelty.tastes import taste\n"
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
