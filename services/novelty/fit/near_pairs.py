"""Near-identical embeddings among very many, found without comparing all with all."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.novelty.mixture import Embeddings
from services.novelty.rows import Indices

_KEYS: Final = 12
_BITS: Final = 32
_GROUP: Final = 128
_STEP: Final = 64
_ROWS_AT_ONCE: Final = 4096
_SAMPLE: Final = 20_000


def earliest_near(rows: Embeddings, least_cosine: float) -> Indices:
    """The earliest row found near each one, itself if none is before it: (n,) positions.

    Rows get a key of 32 bits: on which side of random planes through their mean they lie (Charikar, 2002). Near rows
    agree in many of the first bits, so that, sorted by their keys, they come to lie next to each other: 64 rows or more
    around each one are compared with it (the sorted neighbourhood of Hernández and Stolfo, 1995), and that twelve
    times with other planes. What is found is near for certain; nearly all that is near is found: `docs/taste.md` has
    how much. Time and memory do not depend on how many are near.

    Args:
        rows: (n, dimension) of norm 1.
        least_cosine: Rows at or over this cosine similarity are near.
    """
    found = np.arange(len(rows))
    rng = np.random.default_rng(0)
    centre = rows[:: max(1, len(rows) // _SAMPLE)].mean(axis=0)
    for _ in range(_KEYS):
        planes = rng.standard_normal((rows.shape[1], _BITS), np.float32)
        order = np.argsort(_keys(rows, centre, planes), kind="stable")
        for start in range(0, max(1, len(rows) - _STEP), _STEP):
            group = np.sort(order[start : start + _GROUP])
            some = rows[group]
            near = some @ some.T >= least_cosine
            # Each is near itself, unless rounding says otherwise, and the group ascends: the first one is the earliest.
            np.fill_diagonal(near, val=True)
            found[group] = np.minimum(found[group], group[near.argmax(axis=1)])
    return found


def _keys(rows: Embeddings, centre: Embeddings, planes: Embeddings) -> npt.NDArray[np.uint32]:
    keys = np.empty(len(rows), ">u4")
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        sides = (rows[some] - centre) @ planes > 0
        keys[some] = np.packbits(sides, axis=1).view(">u4")[:, 0]
    return keys
