from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from services.novelty.stored.profile_arrays import decode_arrays, encode_arrays

SHAPES = {"weights": (2,), "means": (2, 3), "none": (0,)}


def arrays():
    return {
        "weights": np.array([0.25, 0.75]),
        "means": np.arange(6.0).reshape(2, 3),
        "none": np.empty(0),
    }


def npy(array, *, allow_pickle=True):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=allow_pickle)
    return content.getvalue()


def npz(members, *, compression=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, value in members:
            archive.writestr(name, value)
    return content.getvalue()


def with_weights(value, **how):
    members = [(f"{name}.npy", npy(array)) for name, array in arrays().items() if name != "weights"]
    return npz([*members, ("weights.npy", value)], **how)


def header(text):
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


def test_what_is_written_is_read():
    """The arrays come back bit for bit, and the same arrays give the same bytes."""
    content = encode_arrays(arrays())
    assert content == encode_arrays(arrays())
    found = decode_arrays(content, SHAPES)
    assert found.keys() == SHAPES.keys()
    for name, array in arrays().items():
        np.testing.assert_array_equal(found[name], array)


def test_what_is_read_cannot_be_written_to():
    """A profile never changes, its arrays neither."""
    with pytest.raises(ValueError, match="read-only"):
        decode_arrays(encode_arrays(arrays()), SHAPES)["weights"][0] = 1.0


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_an_object_array_is_not_unpickled(tmp_path):
    """A pickle inside the file is refused and never runs."""
    hostile = np.array([Bomb(tmp_path / "ran"), None], dtype=object)
    with pytest.raises(ValueError, match="weights"):
        decode_arrays(with_weights(npy(hostile)), SHAPES)
    assert not (tmp_path / "ran").exists()


def test_a_bare_pickle_is_not_unpickled(tmp_path):
    """Nor one in the place of the whole file, or of one array."""
    hostile = pickle.dumps(Bomb(tmp_path / "ran"))
    with pytest.raises(zipfile.BadZipFile):
        decode_arrays(hostile, SHAPES)
    with pytest.raises(ValueError, match="magic string"):
        decode_arrays(with_weights(hostile), SHAPES)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (npy(np.ones(3)), r"weights is float64 of shape \(3,\), not float64 of \(2,\)"),
        (npy(np.ones((1, 2))), r"of shape \(1, 2\)"),
        (npy(np.ones(4, np.float32)), "weights is float32"),
        (npy(np.ones(2, ">f8")), "weights is >f8"),
        (npy(np.array([0.5, np.nan])), "weights has a value that is not finite"),
        (npy(np.array([0.5, np.inf])), "weights has a value that is not finite"),
        (npy(np.ones(2))[:-8], "weights has 8 bytes of values, not 16"),
        (npy(np.ones(2)) + b"12345678", "weights has 24 bytes of values, not 16"),
        (npy(np.ones(2)) + bytes(5000), "weights has 5144 bytes, not those of shape"),
        (b"", "weights has 0 bytes, not those of shape"),
        (b"x" * 100, "magic string"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}") + bytes(16),
         r"of shape \(99999999999,\)"),
        (header("{'descr': '<f8', 'fortran_order': True, 'shape': (2,)}") + bytes(16), "weights is"),
        (header("__import__('os').getcwd()") + bytes(16), "malformed"),
    ],
)  # fmt: skip
def test_arrays_that_are_not_what_they_should_be(value, problem):
    """Shape, type, length, header and values are checked before anything is allocated for them."""
    with pytest.raises(ValueError, match=problem):
        decode_arrays(with_weights(value), SHAPES)


def test_a_zip_bomb_is_not_unpacked():
    """Compressed members are refused, however small they claim to be."""
    bomb = with_weights(bytes(50_000_000), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(ValueError, match="weights is compressed"):
        decode_arrays(bomb, SHAPES)


def test_other_members_are_refused():
    """One missing, one more or one twice: the list of names is wrong."""
    members = [(f"{name}.npy", npy(array)) for name, array in arrays().items()]
    for odd in (members[1:], [*members, ("more.npy", b"")], [*members, ("../x.npy", b"")]):
        with pytest.raises(ValueError, match="it holds "):
            decode_arrays(npz(odd), SHAPES)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = npz([*members, members[0]])
    with pytest.raises(ValueError, match="it holds "):
        decode_arrays(twice, SHAPES)
