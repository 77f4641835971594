from __future__ import annotations

import os

import pytest

from services.servicekit.disk import sync


def test_files_and_folders_are_synced(tmp_path, monkeypatch):
    """Both are handed to the operating system, open."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    (tmp_path / "file").touch()
    sync(tmp_path / "file")
    sync(tmp_path)
    assert synced == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]


def test_a_pipe_is_not_waited_for(tmp_path):
    """It is an error, whether somebody writes to it or not."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Invalid argument"):
        sync(tmp_path / "pipe")
