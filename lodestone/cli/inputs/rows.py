"""Rows of numbers as embeddings of norm 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lodestone.cli.errors import CliError
from lodestone.cli.inputs.kind import Kind
from lodestone.image.v1.embedding_pb2 import Embedding

Rows: TypeAlias = NDArray[np.floating]


def embeddings_of(rows: Rows, kind: Kind, *, given: str, first: int) -> Iterator[Embedding]:
    """Yields one embedding a row, divided by its L2 norm.

    Args:
        rows: (k, d) of any float type.
        kind: What they are said to be.
        given: What to call the file.
        first: The place of the first row in it, from 0.

    Raises:
        CliError: A row has no direction: it is zero, or has a value that is not finite.
    """
    values = rows.astype(np.float64)
    largest = np.abs(values).max(axis=1)
    bad = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
    if bad.size:
        problem = "only zeros" if largest[bad[0]] == 0 else "NaN or infinite values"
        raise CliError(f"{given}: row {first + bad[0]:,} has {problem} (rows count from 0)")
    # Divided by the largest value first: squares of 1e200 are no numbers.
    values /= largest[:, np.newaxis]
    values /= np.linalg.norm(values, axis=1)[:, np.newaxis]
    for row in values.astype(np.float32).tolist():
        yield Embedding(values=row, encoder_id=kind.encoder_id, precision=kind.precision)
