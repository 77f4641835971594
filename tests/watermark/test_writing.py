from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from services.watermark.writing import FileNotWritten, replacing, writing


def test_an_error_has_the_path():
    """And the reason in the system's words, which say no path of a device that is always full."""
    path = Path("/dev/full")
    with (
        pytest.raises(
            FileNotWritten, match=r"^/dev/full: cannot be written: No space left"
        ) as caught,
        writing(path),
    ):
        path.write_bytes(b"0")
    assert caught.value.path == path


def test_other_errors_are_left_alone():
    """They are not of the disk."""
    with pytest.raises(ValueError, match="another"), writing(Path("a")):
        raise ValueError("another")


def test_a_file_is_replaced_whole(tmp_path):
    """Until then it is what it was."""
    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    with replacing(path) as draft:
        draft.write_bytes(b"after")
        assert draft.suffix == ".png"
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_if_there_is_no_room(tmp_path):
    """And half a draft does not."""
    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    line = r"a\.png: cannot be written: No space left"
    with pytest.raises(FileNotWritten, match=line) as caught, replacing(path) as draft:
        draft.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.path == path
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
