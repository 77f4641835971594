from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from services.embedder.cache.cache_file import CacheFile
from tests.cli.processes import eventually_sync
from tests.embedder.cache.embeddings import digest, entry

ROOT = Path(__file__).parents[3]
MB = 1_000_000
JOURNAL_BYTES = 8 * MB


def opened(path, max_bytes=1 << 30):
    return closing(CacheFile(path, max_bytes=max_bytes, timeout_s=5))


def kept(file, numbers):
    """Those of them that are found, as they were."""
    found = {number: file.find(digest(number)) for number in numbers}
    assert all(one is None or one.entry == entry(number) for number, one in found.items())
    return {number for number, one in found.items() if one is not None}


def fill(file, numbers, dimension=512):
    for start in range(numbers.start, numbers.stop, 50):
        stop = min(start + 50, numbers.stop)
        file.write([entry(number, dimension) for number in range(start, stop)])


def bytes_of(path):
    return sum(one.stat().st_size for one in path.parent.iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.sqlite"


def test_what_was_written_is_found(path):
    """By this process and by the next; what was not is None."""
    with opened(path) as file:
        file.write([entry(1), entry(2)])
        assert file.find(digest(1)).entry == entry(1)
        assert file.find(digest(3)) is None
    with opened(path) as file:
        assert kept(file, range(4)) == {1, 2}


def test_an_image_is_kept_once(path):
    """The later entry stays."""
    with opened(path) as file:
        file.write([entry(1)])
        size = file.used_bytes()
        for _ in range(200):
            file.write([entry(1)])
        assert file.used_bytes() == size
        assert kept(file, [1]) == {1}


@pytest.mark.parametrize("dimension", [512, 1280])
def test_a_file_does_not_outgrow_its_limit(path, dimension):
    """Most of it is embeddings; the newest are there, the oldest gone."""
    with opened(path, 2 * MB) as file:
        sizes = set()
        for start in range(0, 1500, 100):
            fill(file, range(start, start + 100), dimension)
            sizes.add(path.stat().st_size)
            assert bytes_of(path) < 2 * MB + JOURNAL_BYTES
        assert max(sizes) <= 2 * MB
        found = [number for number in range(1500) if file.find(digest(number))]
        assert found == list(range(found[0], 1500))
        assert len(found) * dimension * 4 > 0.75 * 2 * MB


def test_what_was_used_stays_longer(path):
    """The others that came with it are gone by then."""
    with opened(path, MB) as file:
        fill(file, range(100))
        for start in range(100, 1000, 50):
            file.write([], [digest(number) for number in range(50, 60)])
            fill(file, range(start, start + 50))
        assert kept(file, range(100)) == set(range(50, 60))


def test_the_middle_turn_is_the_middle_entrys(path):
    """Nothing has turned in an empty file; a use makes an entry as young as the newest one."""
    with opened(path) as file:
        assert file.middle_turn() == 0
        file.write([], [digest(1)])
        assert file.middle_turn() == 0
        fill(file, range(100))
        middle = file.middle_turn()
        assert file.find(digest(48)).turn < middle <= file.find(digest(51)).turn
        file.write([], [digest(3)])
        assert file.find(digest(3)).turn == file.find(digest(99)).turn


def test_a_lowered_limit_is_reached_bit_by_bit(path):
    """The file becomes smaller with each write, and the newest entries stay."""
    with opened(path, 4 * MB) as file:
        fill(file, range(2000))
    assert path.stat().st_size > 3 * MB
    with opened(path, MB) as file:
        fill(file, range(2000, 2400))
        assert kept(file, range(2200, 2400)) == set(range(2200, 2400))
    assert path.stat().st_size <= MB


def test_larger_embeddings_do_not_burst_the_file(path):
    """Another encoder's take the places of smaller ones."""
    with opened(path, MB) as file:
        fill(file, range(1000))
        fill(file, range(1000, 1300), dimension=1280)
        assert file.used_bytes() <= MB
        assert file.find(digest(1299)).entry == entry(1299, 1280)
    assert path.stat().st_size <= MB


def test_a_wrong_bit_in_the_file_is_found(path):
    """Each embedding says by itself that it is damaged; the others are as they were."""
    with opened(path) as file:
        file.write([entry(1), entry(2)])
    content = bytearray(path.read_bytes())
    content[content.index(entry(1).embedding) + 100] ^= 1
    path.write_bytes(content)
    with opened(path) as file:
        assert file.find(digest(1)).entry is None
        assert kept(file, [2]) == {2}
        file.write([entry(1)])
        assert kept(file, [1]) == {1}


def test_what_is_no_database_is_an_error(path):
    """And stays as it is."""
    path.write_bytes(b"damaged " * 1000)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        CacheFile(path, max_bytes=MB, timeout_s=1)
    assert path.read_bytes() == b"damaged " * 1000


def start_writer(path, first, count, *more):
    command = [sys.executable, "-m", "tests.embedder.cache.cache_writer"]
    with (path.parent / f"{first}.txt").open("wb") as output:
        return subprocess.Popen(
            [*command, *map(str, (path, first, count, *more))],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )


def test_two_processes_write_at_once(path):
    """From the moment on at which neither had made the file; nothing of either is lost."""
    writers = [start_writer(path, first, 300) for first in (0, 300)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with opened(path) as file:
        assert kept(file, range(600)) == set(range(600))
        assert file._rows("PRAGMA integrity_check") == [("ok",)]


def test_a_killed_process_leaves_a_file_that_is_whole(path):
    """Several times over: all that was said to be kept is there."""
    said = set()
    for first in range(0, 300_000, 100_000):
        writer = start_writer(path, first, 100_000)
        output = path.parent / f"{first}.txt"
        eventually_sync(lambda output=output: output.read_bytes().count(b"\n") >= 200)
        writer.kill()
        assert writer.wait(10) == -9
        lines = output.read_text().split("\n")[:-1]
        said.update(map(int, lines))
        with opened(path) as file:
            assert kept(file, said) == said
            assert file._rows("PRAGMA integrity_check") == [("ok",)]
    assert len(said) >= 600


def test_a_full_disk_is_an_error_and_no_damage(path):
    """What was kept before is still found."""
    writer = start_writer(path, 0, 5000, 2_500_000)
    assert writer.wait(60) == 0
    lines = (path.parent / "0.txt").read_text().split()
    numbers = {int(line) for line in lines if line.isdigit()}
    assert 500 < len(numbers) < 2000
    assert lines[-1] in {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
    with opened(path) as file:
        assert numbers <= kept(file, range(2000))
        assert file._rows("PRAGMA integrity_check") == [("ok",)]
