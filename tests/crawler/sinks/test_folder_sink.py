from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from services.crawler.sinks.folder_sink import FolderSink
from services.crawler.sinks.sink import DeliveryFailed, FailureKind
from services.crawler.store.folder_store import FolderStore
from tests.crawler.sinks.deliveries import JPEG, delivery, removal_of
from tests.crawler.store.stores import put_bytes

NAME = "landscapes/2026-11-26_lake_1f3a9c21.jpg"


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    return folder


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def failure_of(sink):
    with pytest.raises(DeliveryFailed) as raised:
        await sink.deliver(delivery())
    return raised.value.kind, str(raised.value)


async def test_an_image_gets_its_readable_name_once(mirror):
    """A copy where the store is elsewhere, and nothing else; again changes nothing."""
    sink = FolderSink("mirror", mirror)
    for _ in range(2):
        assert await sink.deliver(delivery()) == NAME
        assert files_of(mirror) == [NAME]
        assert (mirror / NAME).read_bytes() == JPEG


async def test_a_hard_link_where_the_store_is_on_the_same_disk(mirror, tmp_path):
    """It takes no room."""
    store = FolderStore(tmp_path / "data")
    digest = put_bytes(store, JPEG)
    await FolderSink("mirror", mirror, store.path).deliver(delivery())
    assert (mirror / NAME).samefile(store.path(digest))


async def test_a_copy_where_links_are_refused(mirror, tmp_path, monkeypatch):
    """On another disk, and on one without hard links."""
    store = FolderStore(tmp_path / "data")
    put_bytes(store, JPEG)

    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    sink = FolderSink("mirror", mirror, store.path)
    await sink.deliver(delivery())
    assert (mirror / NAME).read_bytes() == JPEG
    assert (mirror / NAME).stat().st_nlink == 1
    (mirror / NAME).write_bytes(b"a stranger's")
    assert (await failure_of(sink))[0] is FailureKind.REFUSED
    assert files_of(mirror) == [NAME]


@pytest.mark.parametrize("kind", ["file", "folder", "link", "broken link"])
async def test_what_a_stranger_has_put_there_stays(mirror, kind):
    """Whatever it is: the delivery is refused with the path, and a retry succeeds once it is away."""
    place = mirror / NAME
    place.parent.mkdir()
    if kind == "file":
        place.write_bytes(b"a stranger's")
    elif kind == "folder":
        place.mkdir()
    else:
        target = mirror / "target"
        if kind == "link":
            target.write_bytes(JPEG)
        place.symlink_to(target)
    sink = FolderSink("mirror", mirror)
    found, message = await failure_of(sink)
    assert found is FailureKind.REFUSED
    assert str(place) in message
    if kind == "folder":
        place.rmdir()
    else:
        place.unlink()
    await sink.deliver(delivery())
    assert place.read_bytes() == JPEG


async def test_a_crash_before_the_name_leaves_nothing_that_is_looked_at(mirror, monkeypatch):
    """The file under way has a place of its own, and goes when it is old."""
    sink = FolderSink("mirror", mirror)

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            sink._deliver(delivery())
    [left] = files_of(mirror)
    assert left.startswith(".lodestone-parts/")
    await sink.deliver(delivery())
    assert len(files_of(mirror)) == 2
    monkeypatch.setattr("services.crawler.sinks.folder_sink._OLD_PART_S", -1.0)
    other = delivery()
    await sink.deliver(replace(other, image=replace(other.image, file_name="other.jpg")))
    assert files_of(mirror) == ["landscapes/" + Path(NAME).name, "landscapes/other.jpg"]


async def test_a_full_disk_is_waited_for(mirror, monkeypatch):
    """And leaves no half of a file."""
    sink = FolderSink("mirror", mirror)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        found, message = await failure_of(sink)
    assert (found, "No space left" in message) == (FailureKind.AWAY, True)
    assert files_of(mirror) == []
    await sink.deliver(delivery())


async def test_a_folder_that_is_not_there_is_waited_for(mirror):
    """It may be on a disk that is not mounted: making it would fill another one."""
    shutil.rmtree(mirror)
    sink = FolderSink("mirror", mirror)
    found, message = await failure_of(sink)
    assert (found, message) == (FailureKind.AWAY, f"there is no folder {mirror}")
    assert not mirror.exists()


async def test_a_purge_removes_what_is_ours_and_unchanged(mirror):
    """A file that somebody has changed is left, and so is one that is gone already."""
    sink = FolderSink("mirror", mirror)
    await sink.deliver(delivery())
    (mirror / NAME).write_bytes(b"edited")
    assert "another file now" in await sink.remove(removal_of(delivery()))
    assert (mirror / NAME).read_bytes() == b"edited"
    (mirror / NAME).write_bytes(JPEG)
    assert await sink.remove(removal_of(delivery())) == "removed"
    assert await sink.remove(removal_of(delivery())) == "there was no such file any more"
    assert files_of(mirror) == []
