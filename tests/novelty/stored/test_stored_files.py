from __future__ import annotations

import os

import pytest

from services.novelty.stored.stored_files import UnusableFile, opened, read_up_to
from tests.fakes.open_files import open_below


def test_what_is_there_is_read(tmp_path):
    """Up to the limit, and one byte more is refused."""
    path = tmp_path / "facts.json"
    path.write_bytes(b"12345")
    assert read_up_to(path, 5) == b"12345"
    with opened(path) as file:
        assert file.read(2) == b"12"
    with pytest.raises(UnusableFile, match=r"^facts\.json has more than 4 bytes$") as caught:
        read_up_to(path, 4)
    assert (caught.value.file_name, caught.value.problem) == (
        "facts.json",
        "has more than 4 bytes",
    )


def test_what_is_not_there(tmp_path):
    """Missing, and below a file that is no folder."""
    with pytest.raises(UnusableFile, match="^gone is missing$"):
        read_up_to(tmp_path / "gone", 10)
    (tmp_path / "file").touch()
    with pytest.raises(UnusableFile, match="^inside cannot be read: Not a directory$"):
        read_up_to(tmp_path / "file" / "inside", 10)


def test_a_link_is_not_followed(tmp_path):
    """Wherever it leads: what it names is no part of the folder."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UnusableFile, match="^link is a link$"):
        read_up_to(tmp_path / "link", 10)


def test_what_is_no_file(tmp_path):
    """A folder, and a pipe that nobody writes to: neither is waited for."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(UnusableFile, match=f"^{name} is no regular file$"):
            read_up_to(tmp_path / name, 10)


def test_nothing_stays_open(tmp_path):
    """However the reading ends."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    with opened(tmp_path / "file"):
        assert open_below(tmp_path) == [tmp_path / "file"]
    read_up_to(tmp_path / "file", 10)
    for name in ("folder", "file"):
        with pytest.raises(UnusableFile):
            read_up_to(tmp_path / name, 1)
    assert open_below(tmp_path) == []


def test_a_limit_beyond_all_memory(tmp_path):
    """No more is asked for than the file has."""
    (tmp_path / "file").write_bytes(b"abc")
    assert read_up_to(tmp_path / "file", 2**45) == b"abc"
