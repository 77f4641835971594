from __future__ import annotations

import numpy as np

from services.watermark.synthesis.scene_text import add_scene_text
from tests.fakes.image_files import photo
from tests.watermark.synthesis.drawing import LETTERING


def test_signs_hide_what_is_behind_them_and_lie_in_its_light():
    """On a calm ground that is dark on the left a sign is darker on its left."""
    ground = np.linspace(40, 160, 320).astype(np.uint8)
    before = np.repeat(np.broadcast_to(ground, (240, 320))[..., None], 3, axis=2).copy()
    darker = 0
    for seed in range(20):
        after, text = add_scene_text(before, LETTERING, np.random.default_rng(seed))
        where = (after != before).any(axis=2)
        columns = np.flatnonzero(where.any(axis=0))

        assert text
        assert 0.001 < where.mean() < 0.3
        middle = int(columns.mean())
        sides = [after[:, part][where[:, part]].mean() for part in (slice(middle), slice(middle, None))]  # fmt: skip
        darker += sides[0] < sides[1]
    assert darker >= 16


def test_signs_are_put_where_it_is_calm():
    """Here the lower half is noise."""
    before = photo(320, 240, seed=1)
    before[:120] = 128
    before[120:] = np.random.default_rng(0).integers(0, 256, (120, 320, 3))
    upper = 0
    for seed in range(20):
        after, _ = add_scene_text(before, LETTERING, np.random.default_rng(seed))
        upper += np.nonzero((after != before).any(axis=2))[0].mean() < 120
    assert upper >= 17
