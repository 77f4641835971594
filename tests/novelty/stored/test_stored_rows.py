from __future__ import annotations

import os

import numpy as np
import pytest

from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.embedding_file import open_embeddings, write_embeddings
from tests.fakes.open_files import open_below
from tests.novelty.tastes import unit_rows

ROWS = unit_rows(20, 4)


@pytest.fixture
def path(tmp_path):
    """A file in the folder of a version."""
    folder = tmp_path / "landscapes" / "2"
    folder.mkdir(parents=True)
    return folder / "liked.npy"


@pytest.fixture
def rows(path):
    """Twenty rows that were checked."""
    return open_embeddings(path, (20, 4), write_embeddings(path, ROWS))


PARTS = [
    slice(None), slice(3, 9), slice(18, 40), slice(0, 0), slice(None, None, 3), np.arange(20),
    np.array([2, 3, 4, 9, 19]), np.array([7, 2, 2, 3]), np.array([], np.intp),
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_parts_are_those_of_an_array(rows, part):
    """Slices, places that follow each other and others, in any order."""
    np.testing.assert_array_equal(rows[part], ROWS[part])
    assert (len(rows), rows.shape) == (20, (20, 4))


def test_a_place_that_is_none(rows):
    """It is an error, not what lies behind the last row."""
    with pytest.raises(IndexError):
        rows[np.array([20])]


@pytest.mark.parametrize("left", [0, 100, 300])
def test_a_file_that_is_cut_while_in_use(rows, path, left):
    """The process lives, and says which file of which profile it was."""
    os.truncate(path, left)
    with pytest.raises(ProfileDamaged, match=r"landscapes@2 is damaged: liked\.npy was cut while"):
        rows[:]
    assert not rows.is_as_checked


def test_a_file_that_is_written_to_while_in_use(rows, path):
    """Nobody checked the norms of what stands there now."""
    with path.open("r+b") as file:
        file.seek(200)
        file.write(b"\xff" * 16)
    os.utime(path, ns=(0, 0))
    with pytest.raises(ProfileDamaged, match=r"liked\.npy was changed while in use"):
        rows[:]


def test_another_name_changes_nothing(rows, path):
    """Versions share their files by hard links."""
    os.link(path, path.with_name("other.npy"))
    np.testing.assert_array_equal(rows[:], ROWS)


def test_the_file_is_closed_with_the_rows(path):
    """However often they are opened."""
    digest = write_embeddings(path, ROWS)
    for _ in range(20):
        rows = open_embeddings(path, (20, 4), digest)
        assert open_below(path.parent) == [path]
        del rows
    assert open_below(path.parent) == []
