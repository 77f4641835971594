from __future__ import annotations

from pathlib import Path

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.writing import writing


def test_an_error_has_the_path():
    """And the reason in the system's words, which say no path of a device that is always full."""
    path = Path("/dev/full")
    line = r"^/dev/full: cannot be written: No space left on device$"
    with pytest.raises(CliError, match=line), writing(path):
        path.write_bytes(b"0")
