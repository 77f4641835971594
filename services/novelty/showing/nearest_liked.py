"""The liked images that are nearest to an image: exact, over embeddings that may lie on the disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.novelty.mixture import Embeddings, Floats
from services.novelty.rows import Rows

# In double precision 21 MB of 1280 coordinates.
_ROWS_AT_ONCE: Final = 2048
# Rounded off, so that the same picture is as near wherever it stands and the earlier one comes first.
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class NearLiked:
    """One liked image as the neighbour of another image.

    Attributes:
        position: Its place among the liked images, from 0.
        cosine_similarity: Of the two embeddings, -1 to 1.
    """

    position: int
    cosine_similarity: float


class NearestLiked:
    """The nearest liked images of some embeddings, found in one pass over the liked ones.

    Cosine similarities are those of double precision, to 12 digits; of equally near images the earlier comes first.
    """

    def __init__(self, embeddings: Embeddings, count: int) -> None:
        """Looks for `count` neighbours, 1 or more, of each of (q, dimension) embeddings of norm 1."""
        self._embeddings = _directions(embeddings)
        self._count = count
        self._similarities = np.empty((len(embeddings), 0))
        self._positions = np.empty((len(embeddings), 0), np.intp)

    def look_through(self, liked: Rows, leaving_out: Iterable[int] = ()) -> None:
        """Looks at all of (n, dimension) liked embeddings of norm 1 but those at the positions `leaving_out`.

        They may lie on the disk: 2,048 are read at a time.
        """
        counts = np.ones(len(liked), bool)
        counts[list(leaving_out)] = False
        for start in range(0, len(liked), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            if counts[part].any():
                rows = liked[part][counts[part]]
                self._look_at(start + np.flatnonzero(counts[part]), _directions(rows))

    def found(self) -> list[tuple[NearLiked, ...]]:
        """The neighbours of each embedding, nearest first; fewer than `count` where there are no more."""
        return [
            tuple(NearLiked(position, nearness) for position, nearness in zip(*pair, strict=True))
            for pair in zip(self._positions.tolist(), self._similarities.tolist(), strict=True)
        ]

    def _look_at(self, positions: npt.NDArray[np.intp], directions: Floats) -> None:
        nearness = np.clip(self._embeddings @ directions.T, -1.0, 1.0).round(_DIGITS)
        if self._similarities.shape[1] == self._count:
            # What is no nearer than the last one known changes nothing: positions ascend.
            is_news = (nearness > self._similarities[:, -1:]).any(axis=0)
            nearness, positions = nearness[:, is_news], positions[is_news]
        rows = np.broadcast_to(positions, nearness.shape)
        similarities = np.concatenate([self._similarities, nearness], axis=1)
        together = np.concatenate([self._positions, rows], axis=1)
        order = np.argsort(-similarities, axis=1, kind="stable")[:, : self._count]
        self._similarities = np.take_along_axis(similarities, order, axis=1)
        self._positions = np.take_along_axis(together, order, axis=1)


def _directions(rows: Embeddings) -> Floats:
    """Norms are 1 within a thousandth only, and then a picture would be nearer to another one than to itself."""
    exact = rows.astype(np.float64)
    return np.asarray(exact / np.linalg.norm(exact, axis=1, keepdims=True))
