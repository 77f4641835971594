"""Parquet files that somebody else made."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lodestone.cli.moving.exported_row import row_of
from lodestone.cli.moving.found_row import Refused
from lodestone.cli.moving.parquet_shard import read_parquet_shard
from lodestone.cli.moving.shard import ShardDamaged
from tests.cli.moving.made import embedding_values, exported

ROWS = [row_of(exported(seed)) for seed in range(3)]
COLUMNS = {
    "encoded": pa.array([row.encoded for row in ROWS]),
    "record": pa.array([row.json.decode() for row in ROWS]),
    "embedding": pa.array([embedding_values(seed) for seed in range(3)], pa.list_(pa.float32(), 8)),
}


def read(folder, columns):
    pq.write_table(pa.table(columns), folder / "a.parquet")
    rows = list(read_parquet_shard(folder / "a.parquet", "", salvage=True))
    return [row for row in rows if not isinstance(row, Refused)], [
        row.reason for row in rows if isinstance(row, Refused)
    ]


def test_the_columns_that_are_read(tmp_path):
    """Those three are enough."""
    found, refused = read(tmp_path, COLUMNS)
    assert (len(found), refused) == (3, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoded": None},
        {"record": None},
        {"embedding": None},
        {"encoded": pa.array(["a", "b", "c"])},
        {"record": pa.array([1, 2, 3])},
        {"embedding": pa.array([[1.0]] * 3, pa.list_(pa.float32()))},
        {"embedding": pa.array([np.ones(8)] * 3, pa.list_(pa.float64(), 8))},
    ],
)
def test_another_schema(wrong, tmp_path):
    """One error that names the column."""
    columns = {name: one for name, one in (COLUMNS | wrong).items() if one is not None}
    with pytest.raises(ShardDamaged, match=f"no column '{next(iter(wrong))}'"):
        read(tmp_path, columns)


def test_rows_without_what_they_need(tmp_path):
    """A refusal each."""
    found, refused = read(
        tmp_path,
        {
            "encoded": pa.array([None, b"x", b"y"], pa.binary()),
            "record": pa.array(["{}", None, "no json"]),
            "embedding": COLUMNS["embedding"],
        },
    )
    assert found == []
    assert len(refused) == 3


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 500 + b"PAR1", b"x" * 4_000])
def test_what_is_no_parquet_file(content, tmp_path):
    """One error."""
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(ShardDamaged):
        list(read_parquet_shard(tmp_path / "a.parquet", "", salvage=True))


def test_a_file_of_damaged_pages(tmp_path):
    """Whatever byte is wrong: refusals or one error."""
    pq.write_table(pa.table(COLUMNS), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    rng = np.random.default_rng(8)
    for place in rng.integers(4, len(whole), 60).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "a.parquet").write_bytes(damaged)
        try:
            rows = list(read_parquet_shard(tmp_path / "a.parquet", "", salvage=True))
        except ShardDamaged:
            continue
        assert len(rows) <= 3
