"""Embeddings as a plain .npy file: written without a copy, read without trusting the file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Final

import numpy as np

from services.novelty.rows import Rows
from services.novelty.stored.stored_files import UnusableFile, opened
from services.novelty.stored.stored_rows import FLOAT32, StoredRows

_HEADER_BYTES: Final = 1024
_ROWS_AT_ONCE: Final = 4096
# Wider than what a fit takes, so that no rounding refuses here what was taken there.
_NORM_TOLERANCE: Final = 2e-3


def write_embeddings(path: Path, rows: Rows) -> str:
    """Writes (n, dimension) float32 rows to a new file, version 1.0 of the npy format; returns its SHA-256."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        header = _header(rows.shape)
        digest.update(header)
        file.write(header)
        for part in _parts(rows):
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


def open_embeddings(path: Path, shape: tuple[int, int], sha256: str) -> StoredRows:
    """Opens a file of (n, dimension) float32 rows of norm 1, once all of it was looked at.

    Args:
        path: The file, in the folder of a version.
        shape: The only one that it may have.
        sha256: The only digest that it may have, 64 hex digits.

    Raises:
        UnusableFile: It is missing, no regular file, of another size or digest, holds something else than such
            rows, or cannot be read. Nothing of it is unpickled.
        ProfileDamaged: It was written to meanwhile.
    """
    with opened(path) as file:
        try:
            _check(file, path.name, shape, sha256)
            rows = _rows(file, path, shape)
        except UnusableFile:
            raise
        except Exception as error:
            # A hostile file breaks the npy reader in any way.
            message = " ".join(str(error).split())[:300] or type(error).__name__
            raise UnusableFile(path.name, f"cannot be used: {message}") from error
    _check_norms(rows, path.name)
    return rows


def _header(shape: tuple[int, ...]) -> bytes:
    content = BytesIO()
    fields = {"descr": FLOAT32.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, fields)
    return content.getvalue()


def _parts(rows: Rows) -> Iterator[memoryview]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield np.ascontiguousarray(rows[start : start + _ROWS_AT_ONCE], FLOAT32).data


def _check(file: BufferedReader, name: str, shape: tuple[int, int], sha256: str) -> None:
    size_bytes = shape[0] * shape[1] * FLOAT32.itemsize
    if not size_bytes <= file.seek(0, os.SEEK_END) <= size_bytes + _HEADER_BYTES:
        raise UnusableFile(name, f"has {file.tell():,} bytes, not those of shape {shape}")
    file.seek(0)
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        raise UnusableFile(name, "has another SHA-256 than profile.json says")
    file.seek(0)
    if np.lib.format.read_magic(file) != (1, 0):
        raise UnusableFile(name, "is not in version 1.0 of the npy format")
    found = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER_BYTES)
    if found != (shape, False, FLOAT32):
        raise UnusableFile(name, f"is {found[2]} of shape {found[0]}, not {FLOAT32} of {shape}")


def _rows(file: BufferedReader, path: Path, shape: tuple[int, int]) -> StoredRows:
    offset = file.tell()
    return StoredRows(path, os.dup(file.fileno()), shape, offset)


def _check_norms(rows: Rows, name: str) -> None:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        norms = np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float64))
        bad = np.flatnonzero(~(np.abs(norms - 1.0) <= _NORM_TOLERANCE))
        if bad.size:
            raise UnusableFile(name, f"has a row that is not of norm 1: {start + int(bad[0])}")
