"""A Parquet file of embeddings, read batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import shown
from lodestone.cli.inputs.again import Again
from lodestone.cli.inputs.encoder_choice import EncoderChoice
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.label_name import label_name
from lodestone.cli.inputs.npy_file import require_dimension
from lodestone.cli.inputs.part import Part
from lodestone.cli.inputs.rows import embeddings_of
from lodestone.cli.words import one_line, printable
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1.profile_pb2 import ImageLabel

_ROWS_AT_ONCE: Final = 1024
_VALUES: Final = "embedding"
_KINDS: Final = ("encoder_id", "precision")
_NAMES: Final = ("name", "path")
_MAX_DIMENSION: Final = 65_536
_BUFFER_BYTES: Final = 1 << 20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def parquet_part(path: Path, choice: EncoderChoice) -> Part:
    """The rows of a file with a column `embedding`: lists of floats, all of one length.

    The columns `encoder_id`, `precision`, `digest` and `name` (or `path`) may be there too.

    Args:
        path: The file; it must not change while the part is in use.
        choice: What the embeddings are said to be where the file does not say so itself.

    Raises:
        CliError: It is no such file, or the encoder is not stated. Rows are looked at as they are read.
    """
    file = _ParquetRows(path, choice)
    kind = file.kind()
    return Part(
        given=file.given,
        kind=kind,
        embeddings=Again(file.count, lambda: file.embeddings(kind)),
        labels=Again(file.count, file.labels),
        names=Again(file.count, file.names),
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some rows. `first` is the place of the first one in the file."""

    columns: Any
    first: int


class _ParquetRows:
    """The file behind a part."""

    def __init__(self, path: Path, choice: EncoderChoice) -> None:
        self._path = path
        self._choice = choice
        self.given = shown(path)
        with self._readable(), pq.ParquetFile(path) as file:
            self._columns = file.schema_arrow
            self._names = list(self._columns.names)
            self.count = int(file.metadata.num_rows)
        self._require_columns()
        if not self.count:
            raise CliError(f"{self.given} has no rows")

    def kind(self) -> Kind:
        """What the first row is, which all must be."""
        columns = [_VALUES, *self._there(_KINDS)]
        batch = next(self._batches(columns))
        first = _Batch(batch.columns.slice(0, 1), 0)
        dimension = len(self._rows(first, None)[0])
        if dimension > _MAX_DIMENSION:
            raise self._error(
                0, f"has {dimension:,} numbers, and at most {_MAX_DIMENSION:,} may be"
            )
        kind = self._kinds(first)[0]
        stated = self._choice.dimension if kind.encoder_id == self._choice.encoder_id else 0
        return require_dimension(self.given, dimension, replace(kind, dimension=stated))

    def embeddings(self, kind: Kind) -> Iterator[Embedding]:
        """Yields the embeddings; all must be of the kind of the first."""
        for batch in self._batches([_VALUES, *self._there(_KINDS)]):
            for index, other in enumerate(self._kinds(batch)):
                difference = other.difference(kind)
                if difference:
                    raise self._error(
                        batch.first + index, f"is of {difference[0]}, and row 0 of {difference[1]}"
                    )
            rows = self._rows(batch, kind.dimension)
            yield from embeddings_of(rows, kind, given=self.given, first=batch.first)

    def labels(self) -> Iterator[ImageLabel]:
        """Yields what the service is to call them."""
        for digest, name in self._called():
            yield ImageLabel(digest=digest, name=label_name(name))

    def names(self) -> Iterator[str]:
        """Yields what to call them before people."""
        return (printable(name) for _, name in self._called())

    def _called(self) -> Iterator[tuple[str, str]]:
        """Yields digest and name; the place in the file is the name of what has none."""
        named = self._there(_NAMES)[:1]
        digested = self._there(["digest"])
        if not named and not digested:
            yield from (("", f"{self._path.name}[{row}]") for row in range(self.count))
            return
        for batch in self._batches([*named, *digested]):
            size = batch.columns.num_rows
            names = self._texts(batch, named[0]) if named else [None] * size
            digests = self._texts(batch, "digest") if digested else [None] * size
            for index, (digest, name) in enumerate(zip(digests, names, strict=True)):
                row = batch.first + index
                yield self._digest(digest, row), name or f"{self._path.name}[{row}]"

    def _digest(self, text: str | None, row: int) -> str:
        digest = (text or "").lower()
        if digest and _DIGEST.fullmatch(digest) is None:
            raise self._error(row, f"has the digest {one_line(digest[:80])!r}, not 64 hex digits")
        return digest

    def _rows(self, batch: _Batch, dimension: int | None) -> Any:
        """(k, d) floats; `dimension` None takes that of the first row."""
        lists = batch.columns.column(_VALUES)
        lengths = pc.list_value_length(lists).to_pylist()
        wanted = lengths[0] if dimension is None else dimension
        for index, length in enumerate(lengths):
            if not length:
                raise self._error(batch.first + index, "has no embedding")
            if length != wanted:
                raise self._error(
                    batch.first + index, f"has {length:,} numbers, and row 0 {wanted:,}"
                )
        values = lists.flatten()
        if values.null_count:
            place = values.is_null().to_pylist().index(True)
            raise self._error(batch.first + place // wanted, "has a null among its numbers")
        return values.to_numpy(zero_copy_only=False).reshape(-1, wanted)

    def _kinds(self, batch: _Batch) -> list[Kind]:
        """The kind of each row, without its dimension."""
        size = batch.columns.num_rows
        encoder_ids = (
            self._texts(batch, "encoder_id") if "encoder_id" in self._names else [None] * size
        )
        precisions = (
            self._texts(batch, "precision") if "precision" in self._names else [None] * size
        )
        known: dict[tuple[str | None, str | None], Kind] = {}
        for index, stated in enumerate(zip(encoder_ids, precisions, strict=True)):
            if stated not in known:
                known[stated] = self._kind(batch.first + index, *stated)
        return [known[stated] for stated in zip(encoder_ids, precisions, strict=True)]

    def _kind(self, row: int, encoder_id: str | None, precision: str | None) -> Kind:
        try:
            return self._choice.kind(encoder_id, precision)
        except ValueError as error:
            raise self._error(row, str(error)) from error

    def _texts(self, batch: _Batch, name: str) -> list[str | None]:
        with self._readable():
            return list(batch.columns.column(name).cast(pa.string()).to_pylist())

    def _there(self, names: Any) -> list[str]:
        return [name for name in names if name in self._names]

    def _require_columns(self) -> None:
        for name in self._there([_VALUES, *_KINDS, *_NAMES, "digest"]):
            if self._names.count(name) > 1:
                raise CliError(f"{self.given} has more than one column {name!r}")
        if _VALUES not in self._names:
            there = ", ".join(map(repr, self._names[:10])) or "none"
            raise CliError(
                one_line(f"{self.given} has no column 'embedding'; its columns: {there}")
            )
        kind = self._columns.field(_VALUES).type
        lists = (
            pa.types.is_list(kind)
            or pa.types.is_large_list(kind)
            or pa.types.is_fixed_size_list(kind)
        )
        if not lists or not pa.types.is_floating(kind.value_type):
            raise CliError(
                f"{self.given}: the column 'embedding' holds {kind}, not lists of floats"
            )
        for name in self._there([*_KINDS, *_NAMES, "digest"]):
            kind = self._columns.field(name).type
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise CliError(f"{self.given}: the column {name!r} holds {kind}, not texts")

    def _batches(self, columns: list[str]) -> Iterator[_Batch]:
        first = 0
        # A megabyte at a time: a row group of any size passes through little memory.
        with (
            self._readable(),
            pq.ParquetFile(self._path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file,
        ):
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                yield _Batch(batch, first)
                first += batch.num_rows
        if first != self.count:
            raise CliError(f"{self.given} has {first:,} rows, and had {self.count:,} a moment ago")

    def _error(self, row: int, problem: str) -> CliError:
        return CliError(f"{self.given}: row {row:,} {problem} (rows count from 0)")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, MemoryError, OSError, UnicodeDecodeError) as error:
            reason = one_line(str(error).splitlines()[0] if str(error) else type(error).__name__)
            raise CliError(f"{self.given} is no Parquet file to read: {reason}") from error
