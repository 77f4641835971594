"""A Parquet file of images: a row each, with what people ask for in columns of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lodestone.cli.moving.exported_row import (
    MAX_ENCODED_BYTES,
    ExportedRow,
    facts_from,
    request_of,
)
from lodestone.cli.moving.found_row import BadRow, FoundRow, Refused
from lodestone.cli.moving.shard import (
    Sealed,
    ShardDamaged,
    ShardFormat,
    require_file,
    require_sha256,
    require_size,
    sealed_file,
)
from lodestone.cli.words import one_line

_TIME: Final = pa.timestamp("ns", tz="UTC")
_COLUMNS: Final = (
    *(("format_version", pa.int32()), ("sequence", pa.int64()), ("digest", pa.string())),
    *(("file_name", pa.string()), ("size_bytes", pa.int64())),
    *(("width_px", pa.int32()), ("height_px", pa.int32()), ("format", pa.string())),
    *(("animated", pa.bool_()), ("perceptual_hash", pa.string())),
    *((name, pa.string()) for name in ("source", "url", "page_url", "final_url", "title")),
    *((name, pa.string()) for name in ("author", "licence", "community")),
    *(("post_time", _TIME), ("accept_time", _TIME)),
    *(("profile_name", pa.string()), ("profile_version", pa.int32())),
    *((name, pa.float64()) for name in ("log_likelihood", "percentile", "threshold_nats")),
    *((name, pa.float64()) for name in ("watermark_probability", "watermark_threshold")),
    *(("encoder_id", pa.string()), ("precision", pa.string())),
)
_TIMES: Final = ("post_time", "accept_time")
_READ: Final = {"encoded": pa.binary(), "record": pa.string()}
# A row group in memory while it is written.
_GROUP_ROWS: Final = 256
_GROUP_BYTES: Final = 16 * 1024 * 1024
_READ_ROWS: Final = 4
# As the file states it, unpacked.
_MAX_GROUP_BYTES: Final = 1024 * 1024 * 1024
_MAX_DIMENSION: Final = 65_536


class ParquetShardWriter:
    """Writes the columns of `_COLUMNS`, then `embedding`, `encoded` and `record`, which is everything as JSON.

    All embeddings of a file have one length, so that they are a matrix.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb")
        self._rows: list[ExportedRow] = []
        self._rows_bytes = 0
        self._dimension = 0
        self._writer: pq.ParquetWriter | None = None

    def fits(self, row: ExportedRow) -> bool:
        """Whether its embedding has the length that the file's have, or there is none."""
        if row.values is None:
            return True
        if self._dimension:
            return len(row.values) == self._dimension
        # The length is settled by the first rows that are written.
        return self._writer is None

    def add(self, row: ExportedRow) -> None:
        """Writes an image."""
        if row.values is not None:
            self._dimension = len(row.values)
        self._rows.append(row)
        self._rows_bytes += row.size_bytes
        if len(self._rows) >= _GROUP_ROWS or self._rows_bytes >= _GROUP_BYTES:
            self._flush()

    def seal(self) -> Sealed:
        """Ends the shard, and syncs it."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return sealed_file(self._path)

    def _flush(self) -> None:
        if not self._rows:
            return
        schema = _schema(self._dimension)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, schema, compression={"record": "ZSTD"})
        rows = [_cells(row) for row in self._rows]
        columns = [
            pa.array([row[column.name] for row in rows], type=column.type) for column in schema
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        self._rows, self._rows_bytes = [], 0


def read_parquet_shard(path: Path, sha256: str, salvage: bool) -> Iterator[FoundRow | Refused]:
    """Reads a shard, a few rows at a time.

    Raises:
        ShardDamaged: It is not what was exported, has other columns, or cannot be read further.
    """
    require_file(path)
    if not salvage:
        require_sha256(path, sha256)
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            _require(file)
            place = 0
            for batch in file.iter_batches(_READ_ROWS, columns=[*_READ, "embedding"]):
                for index in range(batch.num_rows):
                    yield _row(f"{path.name}[{place + index}]", batch, index)
                place += batch.num_rows
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise ShardDamaged(f"it cannot be read: {one_line(str(error))[:300]}") from error


def _schema(dimension: int) -> Any:
    embedding = pa.list_(pa.float32(), dimension or 1)
    last = (("embedding", embedding), ("encoded", pa.binary()), ("record", pa.string()))
    return pa.schema([*_COLUMNS, *last])


def _cells(row: ExportedRow) -> dict[str, Any]:
    facts = row.facts
    times = {name: _nanoseconds(facts[name]) for name in _TIMES}
    own = {"embedding": row.values, "encoded": row.encoded or None, "record": row.json.decode()}
    return {**facts, **times, **own}


def _nanoseconds(text: str | None) -> int | None:
    """Nanoseconds since 1970 of `2026-11-22T10:00:00.123456789Z`; None for what 64 bits do not hold."""
    if text is None:
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    nanoseconds = seconds * 10**9 + int(fraction.ljust(9, "0") or 0)
    return nanoseconds if abs(nanoseconds) < 2**63 else None


def _require(file: Any) -> None:
    columns = {column.name: column.type for column in file.schema_arrow}
    for name, kind in _READ.items():
        if columns.get(name) != kind:
            raise ShardDamaged(f"it has no column {name!r} of the type {kind}")
    if not _is_matrix(columns.get("embedding", pa.null())):
        raise ShardDamaged("it has no column 'embedding' of fixed-size lists of float32")
    for number in range(file.metadata.num_row_groups):
        if file.metadata.row_group(number).total_byte_size > _MAX_GROUP_BYTES:
            raise ShardDamaged(f"a row group has more than {_MAX_GROUP_BYTES:,} bytes")


def _is_matrix(kind: Any) -> bool:
    is_list = pa.types.is_fixed_size_list(kind)
    return bool(is_list and kind.value_type == pa.float32() and kind.list_size <= _MAX_DIMENSION)


def _row(name: str, batch: Any, index: int) -> FoundRow | Refused:
    cells = {column: batch.column(column)[index] for column in [*_READ, "embedding"]}
    try:
        encoded, record = cells["encoded"].as_py(), cells["record"].as_py()
        if encoded is None or record is None or len(encoded) > MAX_ENCODED_BYTES:
            return Refused(name, "its bytes or its record are missing, or too many")
        values = None
        if cells["embedding"].is_valid:
            values = np.asarray(cells["embedding"].values, dtype=np.float32)
        return FoundRow(name, request_of(facts_from(record), encoded, values))
    except BadRow as error:
        return Refused(name, str(error))
    except UnicodeDecodeError:
        return Refused(name, "its record is no UTF-8")


PARQUET: Final = ShardFormat(
    "parquet", ".parquet", ParquetShardWriter, read_parquet_shard, require_size
)
