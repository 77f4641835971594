from __future__ import annotations

import numpy as np
import pytest

from services.watermark.train.stamp import (
    Finish,
    Ink,
    choose_ink,
    emblem_stamp,
    letter_stamp,
)

RED = (255, 0, 0)


def alpha(stamp):
    return np.asarray(stamp.getchannel("A"))


@pytest.mark.parametrize("finish", list(Finish))
@pytest.mark.parametrize("opacity", [0.15, 0.6])
def test_lettering_is_as_opaque_as_its_ink(finish, opacity):
    """At its densest, in every finish."""
    stamp = letter_stamp("Lodestone", 200, Ink(RED, finish, opacity), None)

    assert alpha(stamp).max() == round(255 * opacity)
    assert alpha(stamp)[0].max() == 0


@pytest.mark.parametrize("width_px", [60, 150, 400])
def test_lettering_is_as_wide_as_asked(width_px):
    """To a fifth and the margin around it."""
    stamp = letter_stamp("Lodestone", width_px, Ink(RED, Finish.PLAIN, 1.0), None)

    columns = np.flatnonzero(alpha(stamp).max(axis=0))
    assert columns[-1] - columns[0] == pytest.approx(width_px, rel=0.2)


def test_hollow_lettering_is_open_inside():
    """Only its outline is drawn."""
    ink = Ink(RED, Finish.HOLLOW, 1.0)
    hollow = alpha(letter_stamp("O", 200, ink, None)) > 0
    solid = alpha(letter_stamp("O", 200, Ink(RED, Finish.OUTLINED, 1.0), None)) > 0

    assert 0.1 < hollow.sum() / solid.sum() < 0.7


def test_emblems_are_of_many_shapes():
    """All of the asked width, none of them empty or full."""
    shapes = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        stamp = emblem_stamp("L", 50, Ink(RED, Finish.PLAIN, 0.5), font=None, rng=rng)

        assert stamp.size == (50, 50)
        assert 0.03 < np.mean(alpha(stamp) > 60) < 0.97
        shapes.add(alpha(stamp).tobytes())
    assert len(shapes) > 20


def test_ink_is_mostly_white_and_has_the_asked_opacity():
    """As marks have."""
    inks = [choose_ink(np.random.default_rng(seed), 0.4) for seed in range(300)]

    assert 0.4 < np.mean([ink.colour == (255, 255, 255) for ink in inks]) < 0.7
    assert {ink.opacity for ink in inks} == {0.4}
    assert {ink.finish for ink in inks} == set(Finish)
