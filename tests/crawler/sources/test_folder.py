from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.crawler.fetch.local_file import read_listed_file
from services.crawler.listing import Listing
from services.crawler.sources.folder import FolderSource
from services.crawler.sources.source import SourceFailed


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """Without symbolic links, as sources name it."""
    return tmp_path.resolve()


async def names(source: FolderSource) -> list[str]:
    return [Path(listing.url).name async for listing in source.list_images()]


def fill(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"bytes of " + path.encode())


async def test_lists_images_in_the_order_of_their_paths(tmp_path: Path) -> None:
    """All subfolders, by path; suffixes in any case; nothing else."""
    fill(tmp_path, "b.JPG", "a/2.png", "a/1.webp", "c/deep/x.avif", "d.gif", "e.jpeg")
    fill(tmp_path, "notes.txt", "a/raw.tiff", "jpg", ".hidden.jpg", ".thumbnails/t.jpg")
    source = FolderSource(tmp_path)
    assert await names(source) == ["1.webp", "2.png", "b.JPG", "x.avif", "d.gif", "e.jpeg"]
    assert await names(source) == await names(source)


async def test_a_listing_says_where_the_image_is(tmp_path: Path) -> None:
    """The URL is the file's, escaped; the title is its name without the suffix; the fetcher reads it."""
    fill(tmp_path, "Sunrise #1 100%.jpg")
    [listing] = [listing async for listing in FolderSource(tmp_path).list_images()]
    assert listing == Listing(
        source=f"folder:{tmp_path}",
        url=f"{tmp_path.as_uri()}/Sunrise%20%231%20100%25.jpg",
        title="Sunrise #1 100%",
    )
    assert read_listed_file(listing, max_bytes=100) == b"bytes of Sunrise #1 100%.jpg"


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
    assert await names(FolderSource(photos)) == ["inside.jpg", "real.jpg"]


async def test_what_is_no_file_is_not_listed(tmp_path: Path) -> None:
    """A folder and a FIFO with an image's name are no images; the folder's content is."""
    fill(tmp_path, "folder.jpg/a.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    assert await names(FolderSource(tmp_path)) == ["a.jpg"]


async def test_an_empty_folder_lists_nothing(tmp_path: Path) -> None:
    """No images are no error."""
    assert await names(FolderSource(tmp_path)) == []


async def test_a_name_that_is_not_unicode(tmp_path: Path) -> None:
    """A file whose name is not UTF-8 is listed with a clean title, and its URL leads to it."""
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", os.O_CREAT))
    [listing] = [listing async for listing in FolderSource(tmp_path).list_images()]
    assert listing.title == "caf?"
    assert listing.url.endswith("/caf%E9.jpg")
    assert read_listed_file(listing, max_bytes=100) == b""


async def test_a_folder_that_is_gone_fails(tmp_path: Path) -> None:
    """A folder that was there when the source was made and is not any more is one error with its cause."""
    folder = tmp_path / "photos"
    folder.mkdir()
    source = FolderSource(folder)
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
        assert await names(FolderSource(tmp_path)) == ["b.jpg"]
    assert [log["folder"] for log in logs] == [str(tmp_path / "closed")]
