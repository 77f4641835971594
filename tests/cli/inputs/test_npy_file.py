"""`.npy` files of embeddings, sound and hostile."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.npy_file import npy_part
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32

KIND = Kind("a" * 64, PRECISION_FP32)


def header(description):
    """A file of that header and 100 bytes of numbers."""
    text = f"{description}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(100)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_are_embeddings_named_by_their_place(tmp_path, rows, dtype):
    """Normed; gone through twice."""
    path = tmp_path / "clip.npy"
    np.save(path, rows.astype(dtype))
    part = npy_part(path, KIND)
    wanted = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for _ in range(2):
        assert np.allclose([one.values for one in part.embeddings], wanted, atol=2e-3)
    assert len(part.embeddings) == len(part.labels) == 10
    assert part.kind == Kind("a" * 64, PRECISION_FP32, 4)
    assert [label.name for label in part.labels][:2] == ["clip.npy[0]", "clip.npy[1]"]
    assert list(part.names)[9] == "clip.npy[9]"
    assert part.read is None


def test_more_rows_than_are_read_at_once(tmp_path):
    """All of them, in their order, of an array that lies column by column too."""
    values = np.stack([np.arange(1, 3001), np.ones(3000)], axis=1).astype(np.float32)
    for array in (values, np.asfortranarray(values)):
        np.save(tmp_path / "many.npy", array)
        found = [
            one.values[0] / one.values[1]
            for one in npy_part(tmp_path / "many.npy", KIND).embeddings
        ]
        assert np.allclose(found, np.arange(1, 3001), rtol=1e-4)


def test_a_bad_row_is_found_when_it_is_read(tmp_path, rows):
    """The file opens; the walk ends with the row's place."""
    rows[6, 1] = np.nan
    np.save(tmp_path / "clip.npy", rows)
    part = npy_part(tmp_path / "clip.npy", KIND)
    with pytest.raises(CliError, match=r"clip.npy: row 6 has NaN or infinite values"):
        list(part.embeddings)


def test_another_dimension_than_the_encoders_is_refused(tmp_path, rows):
    """With both numbers."""
    np.save(tmp_path / "clip.npy", rows)
    with pytest.raises(
        CliError, match=r"has rows of 4 numbers, and the encoder a{12}… makes 1,280"
    ):
        npy_part(tmp_path / "clip.npy", Kind("a" * 64, PRECISION_FP32, 1280))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((3, 4, 5), np.float32), r"has the shape \(3, 4, 5\), not \(n, d\)"),
        (np.zeros(4, np.float32), r"has the shape \(4,\), not"),
        (np.float32(3), r"has the shape \(\), not"),
        (np.zeros((0, 4), np.float32), r"has the shape \(0, 4\), not"),
        (np.zeros((4, 0), np.float32), r"has the shape \(4, 0\), not"),
        (np.zeros((3, 4), np.int64), "has int64 values, not float16, float32 or float64"),
        (np.zeros((3, 4), np.complex64), "has complex64 values"),
        (np.zeros((3, 4), np.longdouble), "values, not float16, float32 or float64"),
        (np.zeros((3, 4), [("a", "f4")]), "values, not float16, float32 or float64"),
        (np.zeros((3, 4), "U3"), "values, not float16, float32 or float64"),
    ],
)
def test_other_arrays_are_one_line(tmp_path, array, says):
    """Shape and type are said."""
    np.save(tmp_path / "clip.npy", array)
    with pytest.raises(CliError, match=says) as caught:
        npy_part(tmp_path / "clip.npy", KIND)
    assert "\n" not in str(caught.value)


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"hello, this is no array",
        pickle.dumps(Bomb()),
        header({"descr": "<f4", "fortran_order": False, "shape": (100, 4)}),
        header({"descr": "<f4", "fortran_order": False, "shape": (10**18, 512)}),
        header({"descr": "<f4", "fortran_order": False, "shape": (-1, 4)}),
        header({"descr": "|O", "fortran_order": False, "shape": (3, 4)}),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').getcwd()}"),
        header("(" * 9000),
        header("{" + " " * 20_000 + "}"),
    ],
)
def test_hostile_files_are_one_line(tmp_path, content):
    """Nothing is run, nothing is read beyond the file."""
    path = tmp_path / "clip.npy"
    path.write_bytes(content)
    with pytest.raises(CliError, match=r"clip.npy is no .npy file to read: ") as caught:
        npy_part(path, KIND)
    assert "\n" not in str(caught.value)


def test_an_object_array_is_not_unpickled(tmp_path):
    """Saved by numpy itself, with a pickle inside."""
    path = tmp_path / "clip.npy"
    np.save(path, np.array([[Bomb(), 1]], object), allow_pickle=True)
    with pytest.raises(CliError, match="clip.npy is no .npy file to read: .*Python objects"):
        npy_part(path, KIND)


def test_a_truncated_file_is_one_line(tmp_path, rows):
    """The last row is cut."""
    path = tmp_path / "clip.npy"
    np.save(path, rows)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CliError, match=r"clip.npy is no .npy file to read: "):
        npy_part(path, KIND)
