from __future__ import annotations

import numpy as np
from PIL import Image

from services.watermark.evaluate.drawn_images import SIDE_MAX_PX, drawn_images
from services.watermark.evaluate.judged_image import Truth
from services.watermark.evaluate.photo_files import find_photo_files
from services.watermark.evaluate.second_generator import SecondGenerator
from services.watermark.synthesis.generator import MarkedPhoto

GENERATORS = {"second": SecondGenerator()}


def photos(folder, *sizes):
    rng = np.random.default_rng(0)
    for place, (width_px, height_px) in enumerate(sizes):
        coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width_px, height_px))
        image.save(folder / f"{place}.png")
    return find_photo_files(folder)


def test_each_photo_is_clean_and_has_each_mark(tmp_path):
    """All images of it know it; clean ones say nothing of a mark, hard negatives no opacity."""
    (photo,) = photos(tmp_path, (320, 240))

    found = [facts for facts, _ in drawn_images(photo, GENERATORS, 0)]

    assert {facts.photo for facts in found} == {photo.digest}
    assert [facts.truth for facts in found].count(Truth.CLEAN) == 3
    kinds = [facts.kind for facts in found if facts.truth is not Truth.CLEAN]
    assert sorted(kinds) == sorted(GENERATORS["second"].kinds)
    for facts in found:
        assert (facts.opacity is not None) == (facts.truth is Truth.MARKED)


def test_what_can_be_seen_of_a_mark_is_counted_where_it_is_judged(tmp_path):
    """In pixels of 448x448 after saving: none of an invisible mark, all of a black photo painted white."""
    (photo,) = photos(tmp_path, (320, 240))

    class Painter:
        kinds = ("nothing", "all")
        hard_negatives = ()

        def draw(self, photo, kind, _rng):
            pixels = photo if kind == "nothing" else np.where(photo < 128, 255, 0).astype(np.uint8)
            return MarkedPhoto(pixels, np.ones(photo.shape[:2], bool), kind, True, 0.5, 1.0, "")

    seen = {facts.kind: facts.visible_px for facts, _ in drawn_images(photo, {"a": Painter()}, 0)}

    assert seen[""] is None
    assert seen["nothing"] == 0
    assert seen["all"] > 0.9 * 448**2


def test_a_photo_gives_the_same_images_among_any_others(tmp_path):
    """They hang on its bytes and the seed alone."""
    first, second = photos(tmp_path, (96, 64), (64, 96))

    images = [[rgb for _, rgb in drawn_images(first, GENERATORS, seed)] for seed in (0, 0, 1)]
    others = [rgb for _, rgb in drawn_images(second, GENERATORS, 0)]

    assert all(map(np.array_equal, images[0], images[1]))
    assert not all(map(np.array_equal, images[0], images[2]))
    assert not all(map(np.array_equal, images[0], others))


def test_large_photos_are_drawn_on_small(tmp_path):
    """Never over the largest side."""
    (photo,) = photos(tmp_path, (2000, 1000))

    assert max(next(iter(drawn_images(photo, GENERATORS, 0)))[1].shape) == SIDE_MAX_PX


def test_a_broken_photo_gives_nothing(tmp_path):
    """And no error: others go on."""
    (tmp_path / "a.jpg").write_bytes(b"broken")
    (photo,) = find_photo_files(tmp_path)

    assert not list(drawn_images(photo, GENERATORS, 0))
