"""Liked images that are there more than once: found by their embeddings, so that each counts once."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.novelty.duplicate import Duplicate
from services.novelty.fit.near_pairs import earliest_near
from services.novelty.mixture import Embeddings

NEAR_DUPLICATE_COSINE: Final = 0.99
"""Embeddings of norm 1 at or over this cosine similarity are of one picture.

Measured with the bundled encoder: photos against themselves recompressed at quality 90 gave .995 and more, at three
quarters of their size .996 (median); of 60 different landscapes no two reached .70.
"""

ALL_PAIRS_UP_TO: Final = 20_000
"""Of more embeddings nearly all near ones are found, not all: comparing all pairs would take longer than the fit."""

_ROWS_AT_ONCE: Final = 1024


def find_duplicates(rows: Embeddings) -> tuple[Duplicate, ...]:
    """Finds those of (n, dimension) embeddings of norm 1 that repeat an earlier one, by their positions."""
    if len(rows) > ALL_PAIRS_UP_TO:
        return _among_many(rows)
    counts = np.ones(len(rows), bool)
    found: list[Duplicate] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        near = rows[start : start + _ROWS_AT_ONCE] @ rows.T >= NEAR_DUPLICATE_COSINE
        # Each is near itself; that alone is nothing to look into.
        for offset in np.flatnonzero(near.sum(axis=1) > 1):
            position = start + int(offset)
            originals = np.flatnonzero(near[offset, :position] & counts[:position])
            if originals.size:
                counts[position] = False
                found.append(Duplicate(position, int(originals[0])))
    return tuple(found)


def without(rows: Embeddings, duplicates: tuple[Duplicate, ...]) -> Embeddings:
    """The rows that count; the same array if all do."""
    if not duplicates:
        return rows
    return np.delete(rows, [one.position for one in duplicates], axis=0)


def _among_many(rows: Embeddings) -> tuple[Duplicate, ...]:
    originals = earliest_near(rows, NEAR_DUPLICATE_COSINE)
    found = []
    for position in np.flatnonzero(originals != np.arange(len(rows))).tolist():
        # What it is near may itself repeat an earlier one; that one counts, if this one is near it too.
        original = int(originals[originals[position]])
        if rows[position] @ rows[original] >= NEAR_DUPLICATE_COSINE:
            originals[position] = original
            found.append(Duplicate(position, original))
        else:
            originals[position] = position
    return tuple(found)
