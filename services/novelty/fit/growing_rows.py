"""A matrix that rows are added to, which is never in memory twice."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.novelty.mixture import Embeddings

_FIRST_ROWS: Final = 256
_GROWTH: Final = 8


class GrowingRows:
    """Collects (dimension,) float32 rows; the memory for them grows by an eighth whenever it is full."""

    def __init__(self) -> None:
        self._rows: Embeddings = np.empty((0, 0), np.float32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, row: Embeddings) -> None:
        """Adds a copy of a row, as long as the first one."""
        if not self._count:
            self._rows = np.empty((_FIRST_ROWS, row.size), np.float32)
        elif self._count == len(self._rows):
            self._resize(self._count + max(_FIRST_ROWS, self._count // _GROWTH))
        self._rows[self._count] = row
        self._count += 1

    def take(self, dimension: int) -> Embeddings:
        """Hands over the (n, dimension) rows; none are left. The dimension is that of the rows, if there are any."""
        if not self._count:
            return np.empty((0, dimension), np.float32)
        self._resize(self._count)
        rows, self._rows, self._count = self._rows, np.empty((0, 0), np.float32), 0
        return rows

    def _resize(self, count: int) -> None:
        # In place: for large blocks, the C library moves pages and copies nothing. Nobody else refers to the array.
        self._rows.resize((count, self._rows.shape[1]), refcheck=False)
