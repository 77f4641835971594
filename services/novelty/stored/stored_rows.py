"""Embeddings that lie on the disk and are read where they are asked for."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from services.novelty.mixture import Embeddings
from services.novelty.rows import Indices
from services.novelty.stored.damage import ProfileDamaged

FLOAT32: Final = np.dtype("<f4")


class StoredRows:
    """(n, dimension) float32 rows of a file of a version's folder that was checked; see `rows.Rows`.

    They are read, not mapped: a mapped file that is cut from outside kills the process that looks at it. The file stays
    open as long as the rows are there, so they outlive its deletion.
    """

    def __init__(self, path: Path, descriptor: int, shape: tuple[int, int], offset: int) -> None:
        """Takes over the descriptor of a file that has just been checked; its rows begin at an offset in bytes."""
        self._path = path
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self._shape = shape
        self._offset = offset
        self._state = self._state_now()

    @property
    def shape(self) -> tuple[int, int]:
        """Their number and dimension."""
        return self._shape

    @property
    def is_as_checked(self) -> bool:
        """Whether nobody wrote to the file since it was checked, or cut it."""
        return self._state_now() == self._state

    def __len__(self) -> int:
        """Their number."""
        return self._shape[0]

    def __getitem__(self, part: slice | Indices, /) -> Embeddings:
        """Those at a slice of places or an array of places.

        Raises:
            ProfileDamaged: The file was cut or written to since it was checked, or cannot be read.
        """
        places = np.arange(len(self))[part]
        rows = np.empty((len(places), self._shape[1]), FLOAT32)
        for first, start, end in _runs(places):
            self._read(first, rows[start:end])
        if not self.is_as_checked:
            raise self._damaged("was changed while in use")
        return rows

    def _read(self, first: int, rows: Embeddings) -> None:
        into = rows.reshape(-1).view(np.uint8).data
        position = self._offset + first * self._shape[1] * FLOAT32.itemsize
        done = 0
        while done < len(into):
            try:
                count = os.preadv(self._descriptor, [into[done:]], position + done)
            except OSError as error:
                raise self._damaged(f"cannot be read: {error.strerror}") from error
            if not count:
                raise self._damaged("was cut while in use")
            done += count

    def _state_now(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns

    def _damaged(self, problem: str) -> ProfileDamaged:
        return ProfileDamaged.at(self._path.parent, f"{self._path.name} {problem}")


def _runs(places: Indices) -> Iterator[tuple[int, int, int]]:
    """Places that follow each other: the first of them, and where they begin and end among all."""
    if not places.size:
        return
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    ends = np.append(starts[1:], len(places))
    yield from zip(places[starts].tolist(), starts.tolist(), ends.tolist(), strict=True)
