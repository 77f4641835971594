from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.embedder.cache.entry import Entry
from services.servicekit.computed import Computed
from services.servicekit.embedding import Precision
from tests.embedder.cache.embeddings import KIND, computed, digest

OTHERS = {
    "encoder": {"encoder_id": "b" * 64},
    "precision": {"precision": Precision.BF16},
    "dimension": {"dimension": 1280},
    "preparation": {"preparation": "2"},
    "boundary": {"encoder_id": "a" * 63, "preparation": "a1"},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_whatever_changes_the_embedding_changes_the_key(change):
    """As another image does."""
    assert KIND.key(digest(1)) == replace(KIND).key(digest(1))
    assert KIND.key(digest(1)) != KIND.key(digest(2))
    assert KIND.key(digest(1)) != replace(KIND, **change).key(digest(1))


def test_an_embedding_comes_back_bit_by_bit():
    """With the size of its image."""
    kept = computed(1)
    back = KIND.computed(KIND.entry(b"key", kept))
    assert back.value.dtype == np.float32
    assert back.value.tobytes() == kept.value.tobytes()
    assert (back.width_px, back.height_px) == (641, 480)


NO_EMBEDDINGS = {
    "NaN": np.full(512, np.nan, np.float32),
    "one NaN": np.where(np.arange(512) == 7, np.nan, computed(1).value),
    "infinite": np.where(np.arange(512) == 7, np.inf, computed(1).value),
    "zeros": np.zeros(512, np.float32),
    "norm 1.002": computed(1).value * np.float32(1.002),
    "too short": computed(1, 511).value,
    "too long": computed(1, 513).value,
}


@pytest.mark.parametrize("value", NO_EMBEDDINGS.values(), ids=NO_EMBEDDINGS)
def test_what_is_no_embedding_is_neither_kept_nor_found(value):
    """Not finite, not of norm 1, or of another length."""
    value = value.astype(np.float32)
    assert KIND.entry(b"key", Computed(value, 1, 1)) is None
    assert KIND.computed(Entry(b"key", value.tobytes(), 1, 1)) is None


def test_double_precision_is_not_kept():
    """It would not come back as it was."""
    assert KIND.entry(b"key", Computed(computed(1).value.astype(np.float64), 1, 1)) is None
