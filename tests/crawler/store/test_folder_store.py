from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from pathlib import Path

import pytest

from services.crawler.store.blob_store import StoreAway
from services.crawler.store.folder_store import FolderStore
from services.servicekit.errors import Misconfigured

ENCODED = b"picture"
DIGEST = hashlib.sha256(ENCODED).hexdigest()
FACTS = {"judgements": {"a@1": {"verdict": "ACCEPTED"}}}
NAME = ("landscapes", "sunrise.jpg")


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def stored(folder):
    """A store with one image."""
    store = FolderStore(folder)
    store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    return store


def test_stored_bytes_are_not_written_again(tmp_path):
    """The file of the first time stays."""
    store = stored(tmp_path)
    before = store.path(DIGEST).stat()
    store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    after = store.path(DIGEST).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_bytes_and_sidecar_are_synced_before_they_count(tmp_path, monkeypatch):
    """Each file is synced before it has its name, and the folder of both, new as it is, once both are in it."""
    store = FolderStore(tmp_path)
    path = store.path(DIGEST)
    synced = []

    def fsync(handle):
        where = Path(f"/proc/self/fd/{handle}").readlink()
        names = sorted(entry.name for entry in where.iterdir()) if where.is_dir() else None
        synced.append((where, where.read_bytes() if names is None else names))

    monkeypatch.setattr(os, "fsync", fsync)
    store.put_with_sidecar(ENCODED, DIGEST, FACTS)

    places = [where.relative_to(tmp_path / "blobs").parts[:1] for where, _ in synced]
    assert places == [(), ("tmp",), ("tmp",), (DIGEST[:2],)]
    assert DIGEST[:2] in synced[0][1]
    assert synced[1][1] == ENCODED
    assert json.loads(synced[2][1]) == FACTS
    assert synced[3][1] == [path.name, f"{path.name}.json"]


def test_nobody_waits_while_a_sidecar_is_synced(tmp_path, monkeypatch):
    """What another crawler puts there meanwhile is not lost: it is read, and both are written."""
    store, others = stored(tmp_path), iter(["b@1", "c@1"])
    fsync = os.fsync

    def another(handle):
        fsync(handle)
        with (tmp_path / "blobs.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in others:
            FolderStore(tmp_path, alone=False).put_sidecar(DIGEST, {"judgements": {name: {}}})

    monkeypatch.setattr(os, "fsync", another)
    store.put_sidecar(DIGEST, {"judgements": {"d@1": {}}})
    sidecar = json.loads((tmp_path / "blobs" / DIGEST[:2] / f"{DIGEST}.json").read_bytes())
    assert sorted(sidecar["judgements"]) == ["a@1", "b@1", "c@1", "d@1"]
    assert list((tmp_path / "blobs" / "tmp").iterdir()) == []


def test_readable_name_is_the_same_file(tmp_path):
    """`kept/` holds hard links: no second copy; linking again is harmless, and somebody may remove the folder."""
    store = stored(tmp_path)
    (tmp_path / "kept").rmdir()
    for _ in range(2):
        store.link(DIGEST, NAME)
    kept = tmp_path / "kept" / "landscapes" / "sunrise.jpg"
    assert kept.samefile(store.path(DIGEST))
    assert store.path(DIGEST).stat().st_nlink == 2


def test_a_disk_without_links_has_copies(tmp_path, monkeypatch):
    """Where a hard link cannot be made the name is a file of its own."""

    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    store = stored(tmp_path)
    monkeypatch.setattr(os, "link", no_links)
    assert store.link(DIGEST, NAME)
    kept = tmp_path / "kept" / "landscapes" / "sunrise.jpg"
    assert kept.read_bytes() == ENCODED
    assert not kept.samefile(store.path(DIGEST))


def test_parts_of_a_crash_are_dropped(tmp_path):
    """What a killed process left half written is gone after the next start."""
    FolderStore(tmp_path)
    part = tmp_path / "blobs" / "tmp" / "half"
    part.write_bytes(b"half a pict")
    FolderStore(tmp_path)
    assert not part.exists()


def test_what_is_no_part_is_left(tmp_path):
    """A folder that somebody put among the parts neither stops the start nor goes; of a link only itself goes."""
    FolderStore(tmp_path)
    notes = tmp_path / "blobs" / "tmp" / "mine" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    link = tmp_path / "blobs" / "tmp" / "link"
    link.symlink_to(notes.parent)
    FolderStore(tmp_path)
    assert notes.read_text() == "mine"
    assert not link.is_symlink()


def test_a_folder_that_cannot_be_made(tmp_path):
    """One clear error names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="file"):
        FolderStore(tmp_path / "file")


@pytest.mark.parametrize("there", ["blobs", "kept", "tmp"])
def test_folders_that_are_there_do_not_hide_those_that_are_not(tmp_path, there):
    """Whichever folder a person has made already, bytes, sidecar and readable name find their place."""
    (tmp_path / there).mkdir()
    store = stored(tmp_path)
    store.link(DIGEST, NAME)
    assert (tmp_path / "kept" / "landscapes" / "sunrise.jpg").read_bytes() == ENCODED


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
def test_a_disk_that_takes_nothing(tmp_path, monkeypatch, number, call):
    """Wherever it refuses: the store is away with the disk's own words, nothing is half written, and it comes back."""

    def refuse(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    store = FolderStore(tmp_path)
    before = files(tmp_path)
    target = {"fsync": (os, "fsync"), "rename": (Path, "replace"), "mkdir": (Path, "mkdir")}[call]
    with monkeypatch.context() as patched:
        patched.setattr(*target, refuse)
        with pytest.raises(StoreAway) as caught:
            store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    assert caught.value.cause == os.strerror(number)
    assert str(tmp_path) in str(caught.value)
    assert files(tmp_path) == before
    store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    assert store.read(DIGEST, max_bytes=99) == ENCODED


def test_a_name_that_finds_no_room(tmp_path, monkeypatch):
    """The link that cannot be made leaves no part; the bytes are as they were."""

    def refuse(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = stored(tmp_path)
    before = files(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(StoreAway, match="No space"):
            store.link(DIGEST, NAME)
    assert files(tmp_path) == before
