"""The data folder is writable and one process's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.up.data_folder import locked


def test_a_missing_folder_is_made_and_held(tmp_path):
    """With parents; the lock names the process that holds it, and is free again afterwards."""
    data = tmp_path / "a" / "b"
    with locked(data):
        assert (data / "up.lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(CliError, match=rf"\(process {os.getpid()}\) uses {data}"), locked(data):
            pass
    with locked(data):
        assert data.is_dir()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_folder(tmp_path, below):
    """The file is named, whether it is the folder asked for or one above it."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CliError, match=f"^{file} is a file, not a folder"), locked(file / below):
        pass


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_a_folder_that_cannot_be_made_or_written_is_one_line(tmp_path, monkeypatch, call):
    """What the system says is told once, with the folder."""

    def refuse(self, *args, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, call, refuse)
    message = rf"^the data folder {tmp_path / 'data'} cannot be written \(permission denied\)$"
    with pytest.raises(CliError, match=message), locked(tmp_path / "data"):
        pass


def test_an_old_lock_does_not_hide_a_read_only_folder(tmp_path, monkeypatch):
    """The lock of an earlier run may be writable where its folder no longer is."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with (
        pytest.raises(CliError, match=r"cannot be written \(permission denied\)"),
        locked(tmp_path),
    ):
        pass
