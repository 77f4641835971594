"""Files of embeddings, sound and hostile."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def rows():
    """Ten rows of four numbers, none of norm 1."""
    return np.random.default_rng(7).normal(size=(10, 4)).astype(np.float32) * 5


@pytest.fixture
def parquet(tmp_path, rows):
    """Writes columns into a Parquet file; `embedding` is the ten rows unless given."""

    def write(**columns):
        columns.setdefault("embedding", pa.array(rows.tolist(), pa.list_(pa.float32())))
        path = tmp_path / "clip.parquet"
        there = {key: column for key, column in columns.items() if column is not None}
        pq.write_table(pa.table(there), path)
        return path

    return write
