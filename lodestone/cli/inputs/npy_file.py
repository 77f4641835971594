"""A `.npy` file of embeddings, read from where it lies."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import shown
from lodestone.cli.inputs.again import Again
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.part import Part
from lodestone.cli.inputs.rows import Rows, embeddings_of
from lodestone.cli.words import one_line
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1.profile_pb2 import ImageLabel

_ROWS_AT_ONCE: Final = 1024
_WIDTHS: Final = (2, 4, 8)


def npy_part(path: Path, kind: Kind) -> Part:
    """The rows of an array of shape (n, d), float16, float32 or float64; nothing is unpickled.

    Args:
        path: The file; it must not change while the part is in use.
        kind: What the embeddings are said to be.

    Raises:
        CliError: It is no such array, or has another dimension than the encoder. Rows are looked at as they are read.
    """
    array = _mapped(path)
    given = shown(path)
    kind = require_dimension(given, array.shape[1], kind)

    def embeddings() -> Iterator[Embedding]:
        for first in range(0, len(array), _ROWS_AT_ONCE):
            rows = array[first : first + _ROWS_AT_ONCE]
            yield from embeddings_of(rows, kind, given=given, first=first)

    return Part(
        given=given,
        kind=kind,
        embeddings=Again(len(array), embeddings),
        labels=Again(len(array), lambda: (ImageLabel(name=one) for one in _names(path, array))),
        names=Again(len(array), lambda: _names(path, array)),
    )


def require_dimension(given: str, dimension: int, kind: Kind) -> Kind:
    """The kind with the dimension that the rows of a file have.

    Raises:
        CliError: The encoder has another one.
    """
    if kind.dimension and dimension != kind.dimension:
        raise CliError(
            f"{given} has rows of {dimension:,} numbers, and the encoder {kind.encoder_id[:12]}… "
            f"makes {kind.dimension:,}"
        )
    return replace(kind, dimension=dimension)


def _names(path: Path, array: Rows) -> Iterator[str]:
    return (f"{shown(Path(path.name))}[{row}]" for row in range(len(array)))


def _mapped(path: Path) -> Rows:
    try:
        # Of headers that state absurd sizes, or that Python 2 wrote.
        with np.errstate(over="ignore"), warnings.catch_warnings(action="ignore"):
            array = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # a header can be wrong in many ways
        raise CliError(f"{shown(path)} is no .npy file to read: {one_line(str(error))}") from error
    if array.ndim != 2 or 0 in array.shape:
        raise CliError(
            f"{shown(path)} has the shape {array.shape}, not (n, d): a row for each embedding"
        )
    if array.dtype.kind != "f" or array.dtype.itemsize not in _WIDTHS:
        raise CliError(f"{shown(path)} has {array.dtype} values, not float16, float32 or float64")
    return array
