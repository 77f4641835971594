from __future__ import annotations

from pathlib import Path

import pytest

from services.watermark.writing import FileNotWritten, writing


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
