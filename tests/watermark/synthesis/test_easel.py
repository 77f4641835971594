from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage

from services.watermark.synthesis.easel import easel_for
from tests.watermark.synthesis.drawing import LETTERING, plain


def easel(rgb=None, **options):
    photo = plain(40, 200, 100) if rgb is None else rgb
    return easel_for(photo, LETTERING, np.random.default_rng(0), **options)


def shape(width_px=20, height_px=10):
    return PillowImage.new("L", (width_px, height_px), 255)


def test_levels_are_those_under_the_shape():
    """Of a photo that is dark on the left and light on the right."""
    photo = plain(20, 200, 100)
    photo[:, 100:] = 220
    here = easel(photo)

    assert here.level_at((10, 20), shape()) == 20
    assert here.level_at((150, 20), shape()) == 220
    assert here.level_at((-50, -50), shape()) == 20


def test_the_first_stamp_chooses_the_ink():
    """A bold easel takes what is seen best."""
    light = plain(230, 200, 100)
    bold = easel(light, bold=True)
    bold.put(shape(), [(50, 50)])

    assert bold.ink.colour == (0, 0, 0)
    alpha = np.asarray(bold.overlay)[..., 3]
    assert alpha[50:60, 50:70].all()
    assert alpha[:48].max() == alpha[64:].max() == 0
    assert bold.width_px == 20


def test_stamps_are_cut_at_the_edges():
    """And those outside are not drawn."""
    here = easel(bold=True)
    here.put(shape(), [(-10, -5), (190, 95), (300, 0), (-100, 0)])
    alpha = np.asarray(here.overlay)[..., 3]

    assert alpha[:5, :10].all()
    assert alpha[95:, 190:].all()
    assert (alpha > 0).sum() == 100


def test_corners_are_inside():
    """At an edge above or below."""
    here = easel()
    for _ in range(40):
        left, top = here.corner(shape())
        assert 0 <= left <= 180
        assert top < 10 or top > 80
    assert here.around(shape(), 0.5, 0.5) == (90, 45)


def test_what_is_on_a_ground_is_seen():
    """Dark on light or light on dark; a bold easel lays a ground against the photo."""
    for seed in range(10):
        here = easel_for(plain(40, 200, 100), LETTERING, np.random.default_rng(seed))
        here.lay_ground((10, 20, 60, 40), 0.6)
        overlay = np.asarray(here.overlay)
        ground = int(overlay[30, 30, :3].max())

        assert (overlay[20:40, 10:60, 3] == 153).all()
        assert (overlay[..., 3] > 0).sum() == 1000
        assert abs(int(here.ink.colour[0]) - ground) > 90

    bold = easel(plain(230, 200, 100), bold=True)
    bold.lay_ground((0, 0, 9, 9), 0.6)
    assert np.asarray(bold.overlay)[0, 0, :3].tolist() == [0, 0, 0]
