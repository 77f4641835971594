from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.novelty.config import NoveltySettings


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("fit_max_embeddings", 10_000_000),
        ("fit_limit", 64),
        ("map_limit", 64),
        ("cache_mb", 1_000_000),
    ],
)
def test_what_is_held_at_once_has_an_end(name, most):
    """A number that is too large by some digits is found at the start."""
    assert getattr(NoveltySettings(**{name: most}), name) == most
    with pytest.raises(ValidationError, match=name):
        NoveltySettings(**{name: most + 1})
