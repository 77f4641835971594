from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from benchmarks.decode import timed
from benchmarks.decoding.likeness import Likeness, bundled_encoder, likenesses
from benchmarks.decoding.pictures import at_1024_px, read_jpegs
from benchmarks.decoding.pillow_ways import all_pixels, pillow_ways
from benchmarks.decoding.way import Way
from tests.fakes import image_files as files

FIRST = Way("all pixels", all_pixels)


@pytest.fixture
def photos(tmp_path):
    rgb = files.photo(1_500, 900, seed=1)
    (tmp_path / "large.jpg").write_bytes(files.encoded(rgb, "JPEG"))
    (tmp_path / "turned.jpg").write_bytes(files.jpeg_with_orientation(rgb, 6))
    (tmp_path / "picture.png").write_bytes(files.encoded(files.photo(), "PNG"))
    return read_jpegs([tmp_path])


def test_upright_jpegs_are_compared_as_they_are_and_at_1024_px(photos):
    """Others are left out: not every decoder turns them."""
    [large], [small] = photos, at_1024_px(photos)

    assert (large.name, large.width_px, large.height_px) == ("large.jpg", 1_500, 900)
    assert (small.width_px, small.height_px) == (1_024, 614)
    assert PillowImage.open(io.BytesIO(small.encoded)).size == (1_024, 614)


def test_a_way_is_as_like_as_its_embeddings_are(photos):
    """All pixels are the same as themselves; upside down is not."""
    turned = Way("upside down", lambda encoded, side_px: all_pixels(encoded, side_px)[::-1])

    found = likenesses(bundled_encoder(), [FIRST, turned], photos)

    assert found["all pixels"].facts()["same_pixels"] == 1
    assert found["all pixels"].cosines == [1.0]
    assert found["upside down"].facts()["cosine_min"] < 0.999
    assert found["upside down"].facts()["under_0.999"] == 1


def test_the_cosines_are_summed_up():
    """The least one is named."""
    facts = Likeness([0.99, 1.0, 0.9995], [0.1, 0.0, 0.1], ["a", "b", "c"]).facts()

    assert (facts["cosine_min"], facts["cosine_median"]) == (0.99, 0.9995)
    assert (facts["least_like"], facts["under_0.999"], facts["photos"]) == ("a", 1, 3)


def test_every_way_of_pillow_gives_an_input_and_is_timed(photos):
    """In both sizes of inputs."""
    costs = timed([FIRST, *pillow_ways()], photos, repeats=1)

    for way in pillow_ways():
        pixels = way.input_of(photos[0].encoded, 224)
        assert (pixels.shape, pixels.dtype) == ((224, 224, 3), np.uint8)
        assert costs["224"][way.name] > 0
        assert costs["448"][way.name] > 0
