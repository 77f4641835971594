from __future__ import annotations

import hashlib
import io
import os
import pickle
import tracemalloc

import numpy as np
import pytest

from services.novelty.stored.embedding_file import open_embeddings, write_embeddings
from services.novelty.stored.stored_files import UnusableFile
from tests.novelty.tastes import unit_rows

ROWS = unit_rows(20, 4)


def forged(path, content):
    """A file with the digest that makes it look right."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def npy(array, **options):
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=True, **options)
    return content.getvalue()


def test_what_is_written_is_read(tmp_path):
    """The same values, from the disk; numpy itself reads the file too."""
    path = tmp_path / "liked.npy"
    digest = write_embeddings(path, ROWS)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = open_embeddings(path, (20, 4), digest)
    np.testing.assert_array_equal(found[:], ROWS)
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), ROWS)
    assert (found[:].dtype, type(found[:])) == (np.float32, np.ndarray)


def test_an_open_file_may_be_deleted(tmp_path):
    """Those who use the rows keep them."""
    path = tmp_path / "liked.npy"
    found = open_embeddings(path, (20, 4), write_embeddings(path, ROWS))
    path.unlink()
    np.testing.assert_array_equal(found[:], ROWS)


def test_no_rows(tmp_path):
    """An empty background sample is a file too."""
    path = tmp_path / "background.npy"
    digest = write_embeddings(path, np.empty((0, 4), np.float32))
    assert open_embeddings(path, (0, 4), digest).shape == (0, 4)


def test_rows_that_do_not_lie_in_order(tmp_path):
    """A view of something else is written as its values are."""
    path = tmp_path / "liked.npy"
    digest = write_embeddings(path, np.asfortranarray(ROWS)[::2])
    np.testing.assert_array_equal(open_embeddings(path, (10, 4), digest)[:], ROWS[::2])


def test_no_copy_is_made_of_many_rows(tmp_path):
    """Neither by writing nor by checking 64 MB."""
    rows = np.ones((65_536, 256), np.float32) / 16
    tracemalloc.start()
    try:
        digest = write_embeddings(tmp_path / "liked.npy", rows)
        found = open_embeddings(tmp_path / "liked.npy", rows.shape, digest)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.shape == rows.shape
    assert peak < 16_000_000


def test_nothing_is_written_over(tmp_path):
    """A file that is there already is somebody else's."""
    write_embeddings(tmp_path / "liked.npy", ROWS)
    with pytest.raises(FileExistsError):
        write_embeddings(tmp_path / "liked.npy", ROWS)


def test_another_digest(tmp_path):
    """One flipped bit is noticed before anything is read as numbers."""
    path = tmp_path / "liked.npy"
    digest = write_embeddings(path, ROWS)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnusableFile, match=r"^liked\.npy has another SHA-256 than profile\.json"):
        open_embeddings(path, (20, 4), digest)


def test_files_that_are_none(tmp_path):
    """Missing, a link and a folder are each told as what they are."""
    path, other = tmp_path / "liked.npy", tmp_path / "elsewhere"
    digest = write_embeddings(other, ROWS)
    with pytest.raises(UnusableFile, match=r"^liked\.npy is missing$"):
        open_embeddings(path, (20, 4), digest)
    path.symlink_to(other)
    with pytest.raises(UnusableFile, match=r"^liked\.npy is a link$"):
        open_embeddings(path, (20, 4), digest)
    path.unlink()
    path.mkdir()
    with pytest.raises(UnusableFile, match=r"^liked\.npy is no regular file$"):
        open_embeddings(path, (20, 4), digest)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def padded(content):
    return content.ljust(ROWS.nbytes + 128, b"\0")


HOSTILE = {
    "a pickle": lambda ran: padded(pickle.dumps(Bomb(ran))),
    "objects": lambda ran: padded(npy(np.array([[Bomb(ran)] * 4] * 20, object))),
    "another shape": lambda ran: npy(ROWS.reshape(4, 20)),
    "one dimension": lambda ran: npy(ROWS.ravel()),
    "doubles of half as many": lambda ran: npy(ROWS[:10].astype(np.float64)),
    "by columns": lambda ran: npy(np.asfortranarray(ROWS)),
    "the other byte order": lambda ran: npy(ROWS.astype(">f4")),
    "version 2 of the format": lambda ran: npy(ROWS, version=(2, 0)),
    "a header of terabytes": lambda ran: padded(npy(ROWS).replace(b"(20, 4)", b"(10**9,9)")),
    "no header": lambda ran: padded(b""),
    "a zip": lambda ran: padded(b"PK\x03\x04"),
    "nothing": lambda ran: b"",
    "half of it": lambda ran: npy(ROWS)[:200],
    "too much": lambda ran: npy(ROWS) + bytes(5000),
    "not a number": lambda ran: npy(np.where(np.eye(20, 4) > 0, np.nan, ROWS).astype(np.float32)),
    "infinity": lambda ran: npy(np.where(np.eye(20, 4) > 0, np.inf, ROWS).astype(np.float32)),
    "not of norm 1": lambda ran: npy(ROWS * 2),
}  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file(tmp_path, make):
    """Even with the right digest each is one clear line, and nothing in it runs."""
    path = tmp_path / "liked.npy"
    digest = forged(path, make(tmp_path / "ran"))
    with pytest.raises(UnusableFile, match=r"^liked\.npy [a-z]") as caught:
        open_embeddings(path, (20, 4), digest)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_the_file_that_the_hostile_ones_differ_from(tmp_path):
    """The forgery itself is sound: numpy's own file is read."""
    path = tmp_path / "liked.npy"
    found = open_embeddings(path, (20, 4), forged(path, npy(ROWS)))
    np.testing.assert_array_equal(found[:], ROWS)
