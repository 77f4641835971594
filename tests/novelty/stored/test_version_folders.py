from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.novelty.stored.version_folders import TOMBSTONE, VersionFolders
from services.servicekit.errors import NotFound

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folders(root):
    return VersionFolders(root)


def publish(folders, name="landscapes"):
    with folders.writing():
        version = folders.next_version(name)
        folders.publish(name, version, lambda folder: (folder / "facts").write_text(name))
    return version


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def delete(folders, version, name="landscapes"):
    with folders.writing():
        folders.delete(name, version)


def test_a_version_is_there_whole(folders, root):
    """With what was written, and nothing else is left behind."""
    assert (publish(folders), publish(folders)) == (1, 2)
    assert folders.names() == ["landscapes"]
    assert folders.versions("landscapes") == [1, 2]
    assert (folders.folder("landscapes", 1) / "facts").read_text() == "landscapes"
    assert names_in(root) == [".lock", "landscapes"]


def test_a_version_that_is_not_there(folders):
    """Is named as it was asked for."""
    assert not folders.has("landscapes", 1)
    for call in (folders.folder, folders.delete):
        with pytest.raises(NotFound, match="there is no profile 'landscapes@1'"):
            call("landscapes", 1)


def test_a_number_is_given_out_once(folders, root):
    """Deleted versions leave a tombstone and nothing else, and the next one counts on."""
    for _ in range(3):
        publish(folders)
    delete(folders, 3)
    assert folders.versions("landscapes") == [1, 2]
    assert not folders.has("landscapes", 3)
    assert names_in(root / "landscapes" / "3") == [TOMBSTONE]
    assert publish(VersionFolders(root)) == 4
    with pytest.raises(NotFound):
        delete(folders, 3)


def test_a_name_without_versions_is_none(folders):
    """All of them deleted."""
    publish(folders)
    publish(folders, "birds")
    delete(folders, 1)
    assert folders.names() == ["birds"]
    assert folders.versions("landscapes") == []
    assert publish(folders) == 2


def add(folders, text):
    with folders.writing():
        return folders.add(
            "landscapes", 1, "thumbnails", lambda folder: (folder / "0.jpg").write_text(text)
        )


def test_what_is_added(folders, root):
    """Once: what is there stays as it is."""
    publish(folders)
    assert add(folders, "first")
    assert not add(folders, "second")
    assert (root / "landscapes" / "1" / "thumbnails" / "0.jpg").read_text() == "first"
    with pytest.raises(NotFound), folders.writing():
        folders.add("landscapes", 2, "thumbnails", lambda folder: None)


def test_a_writing_that_fails_leaves_nothing(folders, root):
    """And the next one begins with an empty folder."""

    def fail(folder):
        (folder / "half").touch()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), folders.writing():
        folders.publish("landscapes", 1, fail)
    assert folders.names() == []
    publish(folders)
    assert names_in(root / "landscapes" / "1") == ["facts"]


def test_folders_in_a_version_go_with_it(folders, root):
    """And what links lead to stays."""
    publish(folders)
    (root / "kept").write_text("kept")
    folder = root / "landscapes" / "1"
    (folder / "thumbnails").mkdir()
    (folder / "thumbnails" / "0.jpg").touch()
    (folder / "link").symlink_to(root / "kept")
    (folder / "way").symlink_to(root, target_is_directory=True)
    delete(folders, 1)
    assert names_in(folder) == [TOMBSTONE]
    assert (root / "kept").read_text() == "kept"


def test_a_version_that_is_a_link(folders, root, tmp_path):
    """It is deleted without what it leads to."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "facts").touch()
    (root / "landscapes").mkdir()
    (root / "landscapes" / "1").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    delete(folders, 1)
    assert (tmp_path / "elsewhere" / "facts").exists()
    assert folders.versions("landscapes") == []
    assert publish(folders) == 2


def test_a_deletion_that_was_killed(folders, root):
    """The version is gone with its tombstone; what was left of it goes at the next start."""
    publish(folders)
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from services.novelty.stored.version_folders import VersionFolders\n"
        "folders = VersionFolders(Path(sys.argv[1]))\n"
        "Path.unlink = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "with folders.writing():\n"
        "    folders.delete('landscapes', 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert names_in(root / "landscapes" / "1") == [TOMBSTONE, "facts"]
    assert folders.names() == []
    assert publish(VersionFolders(root)) == 2
    assert names_in(root / "landscapes" / "1") == [TOMBSTONE]


def test_a_file_is_put_in_place_of_another(folders, root):
    """Whole, beside what is there; not into a version that is not there."""
    publish(folders)
    for content in (b"one", b"two"):
        with folders.writing():
            folders.put("landscapes", 1, "note", content)
        assert (root / "landscapes" / "1" / "note").read_bytes() == content
    assert names_in(root / "landscapes" / "1") == ["facts", "note"]
    with pytest.raises(NotFound), folders.writing():
        folders.put("landscapes", 2, "note", b"three")


def test_a_pipe_in_place_of_the_lock(folders, root):
    """Nobody waits for it."""
    (root / ".lock").unlink()
    os.mkfifo(root / ".lock")
    with pytest.raises(OSError, match="No such device"):
        publish(folders)
