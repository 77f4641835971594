from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.local_file import read_listed_file
from services.crawler.listing import Listing
from services.crawler.post import Post
from services.crawler.sources.folder import FolderSource
from services.crawler.sources.source import SourceFailed
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """Without symbolic links, as sources name it."""
    return tmp_path.resolve()


async def names(source: FolderSource, cursor: str = "") -> list[str]:
    return [Path(post.url).name for post in await posts_of(source, cursor)]


def fill(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"bytes of " + path.encode())


async def test_lists_images_in_the_order_of_their_paths(tmp_path: Path) -> None:
    """All subfolders, by path; suffixes in any case; nothing else."""
    fill(tmp_path, "b.JPG", "a/2.png", "a/1.webp", "c/deep/x.avif", "d.gif", "e.jpeg")
    fill(tmp_path, "notes.txt", "a/raw.tiff", "jpg", ".hidden.jpg", ".thumbnails/t.jpg")
    source = FolderSource(tmp_path, settle_s=0)
    assert await names(source) == ["1.webp", "2.png", "b.JPG", "x.avif", "d.gif", "e.jpeg"]
    assert await names(source) == await names(source)


async def test_a_post_says_where_the_image_is(tmp_path: Path) -> None:
    """The URL is the file's, escaped; the title is its name without the suffix; the fetcher reads it."""
    fill(tmp_path, "Sunrise #1 100%.jpg")
    [post] = await posts_of(FolderSource(tmp_path, settle_s=0))
    assert post == Post(
        url=f"{tmp_path.as_uri()}/Sunrise%20%231%20100%25.jpg", title="Sunrise #1 100%"
    )
    listing = Listing(f"folder:{tmp_path}", post.url)
    assert (
        read_listed_file(listing, LocalAccess(), max_bytes=100) == b"bytes of Sunrise #1 100%.jpg"
    )


async def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    """A link to an image inside is listed; links outside, to folders, to nothing and in circles are not."""
    fill(tmp_path, "photos/real.jpg", "photos/sub/other", "secret/secret.jpg")
    photos = tmp_path / "photos"
    (photos / "inside.jpg").symlink_to(photos / "sub" / "other")
    (photos / "outside.jpg").symlink_to(tmp_path / "secret" / "secret.jpg")
    (photos / "way").symlink_to(tmp_path / "secret")
    (photos / "circle").symlink_to(photos)
    (photos / "circle.jpg").symlink_to(photos / "circle.jpg")
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    assert await names(FolderSource(photos, settle_s=0)) == ["inside.jpg", "real.jpg"]


async def test_what_is_no_file_is_not_listed(tmp_path: Path) -> None:
    """A folder and a FIFO with an image's name are no images; the folder's content is."""
    fill(tmp_path, "folder.jpg/a.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    assert await names(FolderSource(tmp_path, settle_s=0)) == ["a.jpg"]


async def test_an_empty_folder_lists_nothing(tmp_path: Path) -> None:
    """No images are no error."""
    assert await names(FolderSource(tmp_path, settle_s=0)) == []


async def test_a_name_that_is_not_unicode(tmp_path: Path) -> None:
    """A file whose name is not UTF-8 is listed with a clean title, and its URL leads to it."""
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", os.O_CREAT))
    [post] = await posts_of(FolderSource(tmp_path, settle_s=0))
    assert post.title == "caf?"
    assert post.url.endswith("/caf%E9.jpg")
    listing = Listing(f"folder:{tmp_path}", post.url)
    assert read_listed_file(listing, LocalAccess(), max_bytes=100) == b""


async def test_a_folder_that_is_gone_fails(tmp_path: Path) -> None:
    """A folder that was there when the source was made and is not any more is one error with its cause."""
    folder = tmp_path / "photos"
    folder.mkdir()
    source = FolderSource(folder, settle_s=0)
    folder.rmdir()
    with pytest.raises(SourceFailed) as failed:
        await names(source)
    assert failed.value.uri == source.uri
    assert "No such file or directory" in str(failed.value)


async def test_a_subfolder_that_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are listed and the log names it. Permissions do not hold for root: the call fails."""
    fill(tmp_path, "closed/a.jpg", "open/b.jpg")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with capture_logs() as logs:
        assert await names(FolderSource(tmp_path, settle_s=0)) == ["b.jpg"]
    assert [log["folder"] for log in logs] == [str(tmp_path / "closed")]


async def test_later_looks_list_what_is_new(tmp_path: Path) -> None:
    """What was written or moved into the folder since; what was there is left out."""
    fill(tmp_path, "a.jpg", "other/b.jpg")
    long_ago = time.time() - 1_000
    source = FolderSource(tmp_path / "photos", settle_s=0.05)
    (tmp_path / "photos").mkdir()
    fill(tmp_path / "photos", "old.jpg")
    cursor = await last_cursor(source)
    while time.time() < float(cursor) + 0.15:
        cursor = await last_cursor(source, cursor)
    assert await posts_of(source, repr(time.time())) == []
    os.utime(tmp_path / "a.jpg", (long_ago, long_ago))
    (tmp_path / "a.jpg").rename(tmp_path / "photos" / "a.jpg")
    found: set[str] = set()
    async with asyncio.timeout(30):
        while "a.jpg" not in found:
            found |= {Path(post.url).name for post in await posts_of(source, cursor)}
    assert found <= {"a.jpg", "old.jpg"}


async def test_a_file_that_is_being_written_comes_last(tmp_path: Path) -> None:
    """The first look waits for it; a later one leaves it to the next."""
    fill(tmp_path, "a.jpg")
    source = FolderSource(tmp_path, settle_s=0.2)
    began = time.monotonic()
    [post] = await posts_of(source)
    assert time.monotonic() - began >= 0.2
    os.utime(tmp_path / "a.jpg")
    [batch] = await batches_of(source, repr(time.time() - 100.0))
    assert (batch.posts, float(batch.cursor) < time.time() - 0.4) == ((), True)
    assert post.url.endswith("/a.jpg")


def make_old(folder: Path) -> float:
    """A time after everything in a folder came there, and so long ago that no clock matters."""
    deadline = time.time() + 10
    while time.time() < deadline:
        changes = [path.stat().st_ctime for path in folder.rglob("*")]
        if max(changes, default=0.0) < time.time() - 0.1:
            # A file system's clock ticks more coarsely.
            return time.time() - 0.05
    raise AssertionError("the clock stands still")


@pytest.mark.parametrize("process", ["same", "new"])
async def test_a_folder_that_is_moved_in_brings_its_files(tmp_path: Path, process: str) -> None:
    """They are older than the last look, deep ones too; those that were there are left out."""
    fill(tmp_path / "photos", "there/old.jpg", "top.jpg")
    fill(tmp_path / "other", "trip/a.jpg", "trip/day/b.jpg")
    source = FolderSource(tmp_path / "photos", settle_s=0)
    await last_cursor(source)
    since = make_old(tmp_path)
    assert await posts_of(source, repr(since)) == []
    (tmp_path / "other" / "trip").rename(tmp_path / "photos" / "trip")
    if process == "new":
        source = FolderSource(tmp_path / "photos", settle_s=0)
    found = await names(source, repr(since))
    assert found == ["a.jpg", "b.jpg"]


async def test_a_folder_that_takes_another_s_place(tmp_path: Path) -> None:
    """A subfolder, and the folder itself: what it brings is listed, though path and times say nothing."""
    fill(tmp_path / "photos", "day/old.jpg")
    fill(tmp_path / "new", "a.jpg")
    fill(tmp_path / "whole", "b.jpg", "deep/c.jpg")
    source = FolderSource(tmp_path / "photos", settle_s=0)
    await last_cursor(source)
    since = repr(make_old(tmp_path))
    (tmp_path / "photos" / "day").rename(tmp_path / "gone")
    (tmp_path / "new").rename(tmp_path / "photos" / "day")
    assert await names(source, since) == ["a.jpg"]
    (tmp_path / "photos").rename(tmp_path / "gone too")
    (tmp_path / "whole").rename(tmp_path / "photos")
    assert await names(source, since) == ["b.jpg", "c.jpg"]
    assert await names(source, since) == []


async def test_a_file_that_is_replaced_is_listed_again(tmp_path: Path) -> None:
    """By a rename over it, as programs save files; what lies beside it is left out."""
    fill(tmp_path, "a.jpg", "b.jpg")
    source = FolderSource(tmp_path, settle_s=0)
    await last_cursor(source)
    since = make_old(tmp_path)
    fill(tmp_path, ".a.tmp")
    (tmp_path / ".a.tmp").rename(tmp_path / "a.jpg")
    assert await names(source, repr(since)) == ["a.jpg"]


async def test_a_file_that_was_being_written_is_not_lost(tmp_path: Path) -> None:
    """Every look leaves it to the next until it has settled; then it is listed."""
    source = FolderSource(tmp_path, settle_s=0.3)
    cursor = await last_cursor(source)
    fill(tmp_path, "a.jpg")
    looks = []
    async with asyncio.timeout(30):
        while not looks or not looks[-1]:
            if len(looks) < 3:
                os.utime(tmp_path / "a.jpg")
            batches = await batches_of(source, cursor)
            looks.append([post for batch in batches for post in batch.posts])
            cursor = batches[-1].cursor
    assert looks[:3] == [[], [], []]
    assert [Path(post.url).name for post in looks[-1]] == ["a.jpg"]


async def test_many_files_come_in_parts(tmp_path: Path) -> None:
    """A thousand entries at a time, whatever they are; a look without news has no posts."""
    for number in range(2_500):
        (tmp_path / f"{number:04}.{'jpg' if number % 2 else 'txt'}").touch()
    source = FolderSource(tmp_path, settle_s=0)
    batches = await batches_of(source)
    assert [len(batch.posts) for batch in batches] == [500, 500, 250, 0]
    assert [len(b.posts) for b in await batches_of(source, repr(make_old(tmp_path)))] == [0]


async def test_a_subfolder_that_goes_while_it_is_read(tmp_path: Path) -> None:
    """What is still there is listed."""
    fill(tmp_path, *(f"{name}/{n:03}.jpg" for name in "ab" for n in range(600)))
    posts = []
    async for batch in FolderSource(tmp_path, settle_s=0).list_posts(""):
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        posts += batch.posts
    assert [post.url.split("/")[-2] for post in posts].count("a") == 600
