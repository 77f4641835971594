"""Rows as embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.rows import embeddings_of
from lodestone.image.v1.embedding_pb2 import PRECISION_FP16

KIND = Kind("a" * 64, PRECISION_FP16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_rows_get_norm_one(dtype):
    """Of any float type; each says what it is of."""
    values = np.array([[3, 4], [0, -2], [1e-4, 0]], dtype)
    found = list(embeddings_of(values, KIND, given="x", first=0))
    assert np.allclose([one.values for one in found], [[0.6, 0.8], [0, -1], [1, 0]], atol=1e-6)
    assert {(one.encoder_id, one.precision) for one in found} == {("a" * 64, PRECISION_FP16)}


def test_huge_and_tiny_numbers_have_a_direction():
    """Their squares do not fit a float."""
    values = np.array([[1e300, 1e300], [1e-310, 0]])
    first, second = embeddings_of(values, KIND, given="x", first=0)
    assert np.allclose(first.values, [0.5**0.5] * 2)
    assert np.allclose(second.values, [1, 0])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([0.0, 0.0], "only zeros"),
        ([np.nan, 1.0], "NaN or infinite values"),
        ([1.0, np.inf], "NaN or infinite values"),
    ],
)
def test_a_row_without_a_direction_is_named(bad, says):
    """By its place in the file."""
    values = np.array([[1.0, 0.0], bad], np.float32)
    with pytest.raises(CliError) as caught:
        list(embeddings_of(values, KIND, given="clip.npy", first=2048))
    assert str(caught.value) == f"clip.npy: row 2,049 has {says} (rows count from 0)"
