from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw

from services.watermark.synthesis.blending import Blend
from services.watermark.synthesis.finishing import edge_of, finished
from services.watermark.synthesis.ink import Finish, Ink

RED = (255, 0, 0)


def disc():
    shape = PillowImage.new("L", (60, 60))
    ImageDraw.Draw(shape).ellipse((4, 4, 55, 55), fill=255)
    return shape


def stamped(finish):
    return np.asarray(finished(disc(), Ink(RED, finish, Blend.NORMAL)))


@pytest.mark.parametrize("finish", list(Finish))
def test_stamps_have_a_margin(finish):
    """Of two edges on each side; nothing comes round from the other side."""
    stamp, edge = stamped(finish), edge_of(disc())

    assert stamp.shape == (60 + 4 * edge, 60 + 4 * edge, 4)
    assert stamp[..., 3].max() > 200
    assert stamp[0, :, 3].max() == stamp[:, 0, 3].max() == 0


def test_hollow_and_embossed_are_open_inside():
    """Only the edge is drawn; a relief is light above and dark below."""
    middle = 30 + 2 * edge_of(disc())
    hollow, embossed = stamped(Finish.HOLLOW), stamped(Finish.EMBOSSED)

    assert hollow[middle, middle, 3] == embossed[middle, middle, 3] == 0
    diagonal = embossed[np.arange(len(embossed)), np.arange(len(embossed))]
    lit = diagonal[diagonal[:, 3] > 128]
    assert lit[0, :3].tolist() == [255, 255, 255]
    assert lit[-1, :3].tolist() == [0, 0, 0]


def test_outlines_and_shadows_are_in_the_contrast():
    """White beside red; a gradient fades towards the bottom."""
    for finish in (Finish.OUTLINED, Finish.SHADOWED):
        stamp = stamped(finish)
        assert (stamp[stamp[..., 3] > 128][:, 1] > 200).any()
    column = stamped(Finish.GRADIENT)[:, 34, 3]
    assert column[14] > column[54] > 60


@pytest.mark.parametrize("size", [40, 41])
def test_a_screen_lets_about_half_through(size):
    """Dots or lines, depending on the width."""
    alpha = np.asarray(
        finished(
            PillowImage.new("L", (size, 40), 255), Ink((255, 0, 0), Finish.SCREENED, Blend.NORMAL)
        )
    )[..., 3]

    assert 0.3 < (alpha[12:-12, 12:-12] > 128).mean() < 0.75
