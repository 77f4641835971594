"""Some of many embeddings, copied no more than a part at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from services.novelty.mixture import Embeddings

Indices: TypeAlias = npt.NDArray[np.intp]


class Rows(Protocol):
    """(n, dimension) embeddings that are asked for by part: an array, or a selection of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Their number and dimension."""

    def __len__(self) -> int:
        """Their number."""

    def __getitem__(self, part: slice | Indices, /) -> Embeddings:
        """Those at a slice of places or an array of places."""


@dataclass(frozen=True, slots=True, eq=False)
class RowSelection:
    """Some rows of an array, without a copy of them all: 300,000 of 512 coordinates take 614 MB.

    Attributes:
        rows: (n, dimension).
        positions: (m,): which of them, in the order in which they are seen.
    """

    rows: Rows
    positions: Indices

    @property
    def shape(self) -> tuple[int, ...]:
        """Their number and dimension."""
        return (len(self.positions), *self.rows.shape[1:])

    def __len__(self) -> int:
        """Their number."""
        return len(self.positions)

    def __getitem__(self, part: slice | Indices, /) -> Embeddings:
        """Those at a slice of places or an array of places, copied."""
        return self.rows[self.positions[part]]
