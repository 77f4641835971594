"""Embeddings as a plain .npy file: written without a copy, mapped without trusting the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Final

import numpy as np

from services.novelty.mixture import Embeddings
from services.novelty.stored.stored_files import UnusableFile, opened

_FLOAT32: Final = np.dtype("<f4")
_HEADER_BYTES: Final = 1024
_ROWS_AT_ONCE: Final = 4096
# Wider than what a fit takes, so that no rounding refuses here what was taken there.
_NORM_TOLERANCE: Final = 2e-3


def write_embeddings(path: Path, rows: Embeddings) -> str:
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


def map_embeddings(path: Path, shape: tuple[int, int], sha256: str) -> Embeddings:
    """Maps a file of (n, dimension) float32 rows of norm 1 into memory, read only, once all of it was looked at.

    Args:
        path: The file.
        shape: The only one that it may have.
        sha256: The only digest that it may have, 64 hex digits.

    Raises:
        UnusableFile: It is missing, no regular file, of another size or digest, holds something else than such
            rows, or cannot be read. Nothing of it is unpickled.
    """
    with opened(path) as file:
        try:
            return _mapped(file, path.name, shape, sha256)
        except UnusableFile:
            raise
        except Exception as error:
            # A hostile file breaks the npy reader in any way.
            message = " ".join(str(error).split())[:300] or type(error).__name__
            raise UnusableFile(path.name, f"cannot be used: {message}") from error


def _header(shape: tuple[int, ...]) -> bytes:
    content = BytesIO()
    fields = {"descr": _FLOAT32.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, fields)
    return content.getvalue()


def _parts(rows: Embeddings) -> Iterator[memoryview]:
    whole = np.ascontiguousarray(rows, _FLOAT32)
    for start in range(0, len(whole), _ROWS_AT_ONCE):
        yield whole[start : start + _ROWS_AT_ONCE].data


def _mapped(file: BufferedReader, name: str, shape: tuple[int, int], sha256: str) -> Embeddings:
    size_bytes = shape[0] * shape[1] * _FLOAT32.itemsize
    if not size_bytes <= file.seek(0, 2) <= size_bytes + _HEADER_BYTES:
        raise UnusableFile(name, f"has {file.tell():,} bytes, not those of shape {shape}")
    file.seek(0)
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        raise UnusableFile(name, "has another SHA-256 than profile.json says")
    file.seek(0)
    if np.lib.format.read_magic(file) != (1, 0):
        raise UnusableFile(name, "is not in version 1.0 of the npy format")
    found = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER_BYTES)
    if found != (shape, False, _FLOAT32):
        raise UnusableFile(name, f"is {found[2]} of shape {found[0]}, not {_FLOAT32} of {shape}")
    if not shape[0]:
        return np.empty(shape, np.float32)
    rows = np.memmap(file, _FLOAT32, "r", offset=file.tell(), shape=shape)
    _check_norms(rows, name)
    return np.asarray(rows)


def _check_norms(rows: Embeddings, name: str) -> None:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        norms = np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float64))
        bad = np.flatnonzero(~(np.abs(norms - 1.0) <= _NORM_TOLERANCE))
        if bad.size:
            raise UnusableFile(name, f"has a row that is not of norm 1: {start + int(bad[0])}")
