from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.crawler.seen import fingerprint_file
from services.crawler.seen.duplicate_index import DuplicateIndex, Match
from services.crawler.seen.fingerprint_file import FingerprintFile, FingerprintFileDamaged
from services.servicekit.errors import Misconfigured
from tests.cli.processes import eventually_sync, lines_of
from tests.crawler.subjects import random_fingerprint

ROOT = Path(__file__).parents[3]

FAR = random_fingerprint(-1 % 2**32)


def entries(first: int, end: int):
    return [(f"{number:064x}", random_fingerprint(number)) for number in range(first, end)]


def words(fingerprint):
    return np.frombuffer(fingerprint.hash256, np.uint64)


def hashes_of(file):
    """Those that are read; behind them is room."""
    hashes = file.load()
    assert len(hashes) > len(file)
    return hashes[: len(file)].tolist()


@pytest.fixture
def reopened(tmp_path):
    """Closes the file that is open, and opens it again."""
    opened = []

    def reopen():
        for file in opened:
            file.close()
        opened.append(FingerprintFile(tmp_path / "cache" / "seen"))
        return opened[-1]

    yield reopen
    for file in opened:
        file.close()


def test_what_was_appended_is_there_again(reopened):
    """Rows of several appends, in their order, by place and as the hashes of an index."""
    file = reopened()
    assert hashes_of(file) == []
    file.append(entries(0, 3))
    file.append(entries(3, 10))
    for _ in range(2):
        hashes, digests = file.read(np.array([9, 0, 4]))
        assert digests == [f"{number:064x}" for number in (9, 0, 4)]
        for row, number in zip(hashes, (9, 0, 4), strict=True):
            np.testing.assert_array_equal(row, words(random_fingerprint(number)))
        assert len(file) == 10
        file = reopened()
        assert hashes_of(file) == [random_fingerprint(n).hash64 for n in range(10)]


def test_an_index_over_it_answers_like_one_in_memory(reopened):
    """Also after it was opened again, for near copies and mirror images; flat images are left out."""
    file, memory = reopened(), DuplicateIndex()
    index = DuplicateIndex(file, file.load())
    flat = ("f" * 64, random_fingerprint(99, flat=True))
    for some in ([*entries(0, 40), flat], [flat], entries(40, 60)):
        index.extend(some)
        memory.extend(some)
    file = reopened()
    again = DuplicateIndex(file, file.load())
    assert len(again) == len(index) == 60
    for number in (0, 41, 59):
        query = random_fingerprint(number)
        assert again.matches(query, FAR) == memory.matches(query, FAR)
        assert again.matches(query, FAR) == [Match(f"{number:064x}", 0, 0)]
        assert again.nearest(FAR, query) == Match(f"{number:064x}", 0, 0, mirrored=True)
    assert again.nearest(FAR, FAR) is None


def test_many_rows_are_read_in_blocks(reopened, monkeypatch):
    """The checksum and the hashes are those of all blocks, whole and partial ones."""
    monkeypatch.setattr(fingerprint_file, "_BLOCK", 7)
    file = reopened()
    file.append(entries(0, 30))
    assert hashes_of(reopened()) == [random_fingerprint(n).hash64 for n in range(30)]


def test_digests_from_behind(reopened):
    """A page at a time, the last ones first; each page in its order."""
    file = reopened()
    assert list(file.digests_from_behind(4)) == []
    file.append(entries(0, 6))
    pages = list(file.digests_from_behind(4))
    assert pages == [[f"{n:064x}" for n in range(2, 6)], [f"{n:064x}" for n in range(2)]]


@pytest.mark.parametrize("cut", [0, 1, 71, 72, 200])
def test_rows_of_an_append_that_a_crash_cut_short_do_not_count(reopened, tmp_path, cut):
    """Without the JSON that tells of them, however many of their bytes are there; the next append writes over them."""
    file = reopened()
    file.append(entries(0, 3))
    rows, facts = tmp_path / "cache" / "seen.rows", tmp_path / "cache" / "seen.json"
    before = facts.read_bytes()
    file.append(entries(3, 6))
    facts.write_bytes(before)
    rows.write_bytes(rows.read_bytes()[: 3 * 72 + cut])
    file = reopened()
    assert len(hashes_of(file)) == 3
    file.append(entries(10, 12))
    assert hashes_of(reopened()) == [
        random_fingerprint(number).hash64 for number in (0, 1, 2, 10, 11)
    ]


def _flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _other_version(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 0}))


@pytest.mark.parametrize(
    ("name", "damage", "cause"),
    [
        ("seen.rows", lambda path: _flip(path, 0), "checksum"),
        ("seen.rows", lambda path: _flip(path, 5 * 72 - 1), "checksum"),
        ("seen.rows", lambda path: path.write_bytes(path.read_bytes()[:-1]), "it has 4 rows"),
        ("seen.rows", lambda path: path.unlink(), "it has 0 rows"),
        ("seen.json", lambda path: path.write_text("{"), "cannot be read"),
        ("seen.json", lambda path: path.write_text("[]"), "cannot be read"),
        ("seen.json", lambda path: path.write_text("{}"), "cannot be read"),
        ("seen.json", lambda path: path.write_bytes(b"\xff"), "cannot be read"),
        ("seen.json", _other_version, "its version is 0"),
    ],
)
def test_damage_is_told_and_the_file_can_be_made_again(reopened, tmp_path, name, damage, cause):
    """Whatever somebody or a disk did to it: a typed error, and after clearing it is as good as new."""
    reopened().append(entries(0, 5))
    file = reopened()
    file.close()
    damage(tmp_path / "cache" / name)
    file = reopened()
    with pytest.raises(FingerprintFileDamaged, match=cause):
        file.load()
    file.clear()
    assert len(file) == 0
    file.append(entries(7, 9))
    assert len(hashes_of(reopened())) == 2


def test_a_row_that_is_gone_is_no_wrong_answer(reopened, tmp_path):
    """Somebody cut the file while it is in use: an error, not another image's row."""
    file = reopened()
    file.append(entries(0, 5))
    rows = tmp_path / "cache" / "seen.rows"
    with rows.open("r+b") as handle:
        handle.truncate(3 * 72)
    with pytest.raises(FingerprintFileDamaged, match="ends before row 5"):
        file.read(np.array([4]))
    assert file.read(np.array([2]))[1] == [f"{2:064x}"]


def test_a_failed_append_adds_nothing(reopened, tmp_path):
    """Where the JSON cannot be written the rows do not count, here and after opening again; later it works."""
    file = reopened()
    file.append(entries(0, 2))
    obstacle = tmp_path / "cache" / "seen.tmp"
    obstacle.mkdir()
    with pytest.raises(OSError, match="directory"):
        file.append(entries(2, 4))
    assert len(file) == 2
    obstacle.rmdir()
    file.append(entries(5, 6))
    assert hashes_of(reopened()) == [random_fingerprint(n).hash64 for n in (0, 1, 5)]


_APPENDING = """
import sys
from pathlib import Path
from services.crawler.seen.fingerprint_file import FingerprintFile
from tests.crawler.seen.test_fingerprint_file import entries
file = FingerprintFile(Path(sys.argv[1]))
file.load()
while True:
    file.append(entries(len(file), len(file) + 7))
    print(len(file), flush=True)
"""


def test_a_killed_process_leaves_whole_appends(tmp_path):
    """SIGKILL at ten moments: what was told as done is there, rows are right, and at most one append more counts."""
    path = tmp_path / "cache" / "seen"
    for kill in range(10):
        log = tmp_path / f"log-{kill}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _APPENDING, path], stdout=output, cwd=ROOT
            )
        eventually_sync(lambda of=log, least=4 + kill: len(lines_of(of)) >= least)
        process.kill()
        process.wait(30)
        told = int(log.read_bytes().decode().rpartition("\n")[0].splitlines()[-1])
        file = FingerprintFile(path)
        try:
            hashes = hashes_of(file)
        finally:
            file.close()
        assert len(hashes) in (told, told + 7)
        assert hashes == [random_fingerprint(number).hash64 for number in range(len(hashes))]


def test_two_processes_do_not_write_one_file(reopened, tmp_path):
    """Whoever comes second cannot start."""
    reopened()
    with pytest.raises(Misconfigured, match="another crawler uses"):
        FingerprintFile(tmp_path / "cache" / "seen")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    """One sentence with the path."""
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(Misconfigured, match="cannot open"):
        FingerprintFile(tmp_path / "cache" / "seen")
