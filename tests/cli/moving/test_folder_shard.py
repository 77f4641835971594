"""Folders that somebody changed."""

from __future__ import annotations

import os
import subprocess

import pytest

from lodestone.cli.moving.exported_row import row_of
from lodestone.cli.moving.folder_shard import FolderShardWriter, read_folder_shard
from lodestone.cli.moving.found_row import Refused
from lodestone.cli.moving.shard import ShardDamaged
from tests.cli.moving.made import exported


@pytest.fixture
def shard(tmp_path):
    writer = FolderShardWriter(tmp_path / "shard-000000")
    for seed in range(3):
        writer.add(row_of(exported(seed)))
    return tmp_path / "shard-000000", writer.seal().sha256


def read(shard):
    rows = list(read_folder_shard(*shard, salvage=False))
    refused = [row for row in rows if isinstance(row, Refused)]
    return len(rows) - len(refused), refused


def test_names_are_readable_and_sums_are_checked_by_others(shard):
    """The readable name with more of the digest; `sha256sum -c` agrees."""
    path, _ = shard
    digest = exported(0).record.digest
    assert (path / f"2025-11-24_photos_sunrise-0_{digest[:16]}.jpg").exists()
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=path, check=True)
    assert read(shard) == (3, [])


def a_link(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_folder(path):
    path.unlink()
    path.mkdir()


def huge(path):
    os.truncate(path, 70 * 1024 * 1024)


@pytest.mark.parametrize("change", [a_link, a_pipe, a_folder, huge, os.unlink])
@pytest.mark.parametrize("suffix", [".jpg", ".json", ".npy"])
def test_a_file_that_became_something_else(shard, change, suffix):
    """One refusal for its image; nothing is followed, nothing hangs, nothing large is read."""
    change(sorted(shard[0].glob(f"*{suffix}"))[1])
    count, refused = read(shard)
    assert (count, len(refused)) == (2, 1)


def test_a_file_that_became_a_link(shard):
    """The reason says so, and names the file."""
    path = next(shard[0].glob("*.json"))
    path.unlink()
    path.symlink_to("/etc/passwd")
    _, [refused] = read(shard)
    assert refused.reason == f"{path.name}: it is a link, and links are not followed"


def test_a_file_that_was_put_there(shard):
    """It is refused, whatever it is called."""
    for name in ("notes.txt", "Über.jpg", "more.jpg", "a\nb.json"):
        (shard[0] / name).write_bytes(b"x")
    count, refused = read(shard)
    assert (count, len(refused)) == (3, 4)


def test_sums_that_lead_elsewhere(shard):
    """A changed list of sums is refused whole."""
    sums = shard[0] / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  ../../secret.json\n")
    with pytest.raises(ShardDamaged, match="not what was exported"):
        read(shard)
