from __future__ import annotations

import numpy as np

from services.watermark.synthesis.blending import Blend
from services.watermark.synthesis.ink import BLACK, WHITE, Finish, choose_ink, visible_ink


def test_inks_are_mostly_against_their_ground():
    """White on dark, black on light, and sometimes the other way; in every finish and mode."""
    on_dark = [choose_ink(np.random.default_rng(seed), 40) for seed in range(400)]
    on_light = [choose_ink(np.random.default_rng(seed), 230) for seed in range(400)]

    for inks, near, far in ((on_dark, WHITE, BLACK), (on_light, BLACK, WHITE)):
        counts = [sum(ink.colour == colour for ink in inks) for colour in (near, far)]
        assert counts[0] > 2 * counts[1] > 40
        assert {ink.finish for ink in inks} == set(Finish)
    assert {ink.blend for ink in (*on_dark, *on_light)} == set(Blend)


def test_the_most_visible_ink():
    """Far from the ground, laid over it as it is."""
    assert visible_ink(30).colour == WHITE
    assert visible_ink(200).colour == BLACK
    assert visible_ink(200).contrast == WHITE
