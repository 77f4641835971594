from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.local_file import read_listed_file
from services.crawler.listing import Listing
from services.crawler.outcome import Fetched, FetchFailed, OutcomeReason
from tests.crawler.fetch.support import fetcher_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a photo, beside a secret."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a #1%.jpg").write_bytes(b"image")
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


def reason_of(
    folder: Path, url: str, *, source: str | None = None, cap: int = 100
) -> OutcomeReason:
    listing = Listing(source=source or f"folder:{folder}", url=url)
    with pytest.raises(FetchFailed) as failed:
        read_listed_file(listing, LocalAccess(), max_bytes=cap)
    assert "\n" not in str(failed.value)
    return failed.value.reason


async def test_reads_files_of_the_folder(folder: Path) -> None:
    """A listed file is read over the fetcher, its name escaped as in any URL."""
    url = (folder / "sub" / "a #1%.jpg").as_uri()
    async with fetcher_for() as fetcher:
        assert await fetcher.fetch(Listing(f"folder:{folder}", url)) == Fetched(b"image", url)


def test_the_cap_is_inclusive(folder: Path) -> None:
    """A file of exactly the cap passes, a larger one does not."""
    listing = Listing(f"folder:{folder}", (folder / "sub" / "a #1%.jpg").as_uri())
    assert read_listed_file(listing, LocalAccess(), max_bytes=5) == b"image"
    assert reason_of(folder, listing.url, cap=4) is OutcomeReason.TOO_MANY_BYTES


def test_nothing_outside_the_folder_is_read(folder: Path) -> None:
    """Dots, absolute paths, symbolic links out of the folder and a folder with the same start are refused."""
    secret = folder.parent / "secret"
    (folder / "link.jpg").symlink_to(secret)
    (folder / "way").symlink_to(folder.parent)
    twin = folder.parent / "photos-private"
    twin.mkdir()
    (twin / "a.jpg").write_bytes(b"secret")
    for url in (
        secret.as_uri(),
        f"{folder.as_uri()}/../secret",
        f"{folder.as_uri()}/%2e%2e/secret",
        f"{folder.as_uri()}/link.jpg",
        f"{folder.as_uri()}/way/secret",
        (twin / "a.jpg").as_uri(),
        "file:///etc/passwd",
        f"file://other.example{folder}/sub",
        f"{folder.as_uri()}/%00",
    ):
        assert reason_of(folder, url) is OutcomeReason.BAD_URL, url


def test_links_within_the_folder_are_followed(folder: Path) -> None:
    """A symbolic link to a file of the same folder is that file."""
    (folder / "link.jpg").symlink_to(folder / "sub" / "a #1%.jpg")
    listing = Listing(f"folder:{folder}", (folder / "link.jpg").as_uri())
    assert read_listed_file(listing, LocalAccess(), max_bytes=100) == b"image"


@pytest.mark.parametrize("source", ["urls:/list.txt", "page:http://example.com/", "", "folders:/x"])
def test_other_sources_reach_no_file(folder: Path, source: str) -> None:
    """A file URL in a list or page is a bad URL, even for a file that exists."""
    url = (folder / "sub" / "a #1%.jpg").as_uri()
    assert reason_of(folder, url, source=source or "page:") is OutcomeReason.BAD_URL


def test_what_is_no_regular_file(folder: Path) -> None:
    """Folders and FIFOs are refused at once; missing files and folders are not found; loops are bad."""
    os.mkfifo(folder / "fifo.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    assert reason_of(folder, (folder / "sub").as_uri()) is OutcomeReason.BAD_URL
    assert reason_of(folder, (folder / "fifo.jpg").as_uri()) is OutcomeReason.BAD_URL
    assert reason_of(folder, (folder / "loop.jpg").as_uri()) is OutcomeReason.BAD_URL
    assert reason_of(folder, (folder / "gone.jpg").as_uri()) is OutcomeReason.NOT_FOUND
    gone = folder.parent / "gone"
    assert reason_of(gone, (gone / "a.jpg").as_uri()) is OutcomeReason.NOT_FOUND
