"""The steps of a large fit that are processes of their own: draw and fit. Prints JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.tasting import trials
from benchmarks.tasting.simulated import clip_shaped

_UNSEEN: Final = 5000
_OF_A_HUNDRED: Final = 100


def draw(count: str, path: str) -> dict[str, Any]:
    """Writes so many CLIP-shaped embeddings; one in a hundred repeats another, as in any large collection."""
    rows = clip_shaped(0).draw(int(count), 2)
    rows[_OF_A_HUNDRED - 1 :: _OF_A_HUNDRED] = rows[::_OF_A_HUNDRED][: len(rows) // _OF_A_HUNDRED]
    np.save(path, rows, allow_pickle=False)
    return {"bytes": Path(path).stat().st_size}


def fit(path: str) -> dict[str, Any]:
    """Fits a taste to them, and says what passes of unseen ones."""
    taste = trials.fit(np.load(path, allow_pickle=False))
    unseen = clip_shaped(0).draw(_UNSEEN, 1)
    return {
        "liked_count": taste.liked_count,
        "duplicate_count": taste.duplicate_count,
        "covariance": taste.mixture.covariance.value,
        "component_count": taste.mixture.component_count,
        "kept_of_unseen": float(
            np.mean(taste.mixture.log_likelihoods(unseen) >= taste.threshold_nats)
        ),
        "warnings": list(taste.warnings),
    }


_STEPS: Final[dict[str, Callable[..., dict[str, Any]]]] = {"draw": draw, "fit": fit}

if __name__ == "__main__":
    print(json.dumps(_STEPS[sys.argv[1]](*sys.argv[2:])))
