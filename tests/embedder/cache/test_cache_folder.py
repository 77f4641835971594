from __future__ import annotations

import pytest

from services.embedder.cache.cache_folder import CacheFolder


def test_the_first_file_has_number_1(tmp_path):
    """Its folder is made, the file is not."""
    assert (
        CacheFolder(tmp_path / "a" / "b").newest() == tmp_path / "a" / "b" / "embeddings-1.sqlite"
    )
    assert list(tmp_path.rglob("*.sqlite")) == []


def test_the_highest_number_is_in_use(tmp_path):
    """As a number; journals and strangers do not count."""
    for name in (
        "embeddings-9.sqlite",
        "embeddings-10.sqlite",
        "embeddings-11.sqlite-wal",
        "x-12.sqlite",
    ):
        (tmp_path / name).touch()
    assert CacheFolder(tmp_path).newest().name == "embeddings-10.sqlite"


def test_a_damaged_file_is_replaced_once(tmp_path):
    """With its journals; who comes second replaces nothing."""
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"embeddings-1.sqlite{suffix}").write_text("damaged")
    folder = CacheFolder(tmp_path)
    damaged = folder.newest()
    folder.replace(damaged)
    CacheFolder(tmp_path).replace(damaged)
    assert [one.name for one in tmp_path.iterdir()] == ["embeddings-2.sqlite"]
    assert folder.newest().read_bytes() == b""


def test_a_folder_that_cannot_be_is_an_error(tmp_path):
    """Here there is a file in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        CacheFolder(tmp_path / "file" / "cache").newest()
