from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.watermark.synthesis.encoding import Encoding, Saving, choose_encoding
from tests.fakes.image_files import photo

BICUBIC = PillowImage.Resampling.BICUBIC


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "PNG"])
def test_what_is_applied_is_what_the_file_shows(format_name):
    """The last file decodes to it."""
    encoding = Encoding((50, 40), BICUBIC, 60, (Saving("JPEG", 70), Saving(format_name, 80)))
    rgb = photo(96, 64)
    with PillowImage.open(io.BytesIO(encoding.encode(rgb))) as image:
        assert image.format == format_name
        shown = np.asarray(image.convert("RGB"))

    assert shown.shape == (40, 50, 3)
    assert np.array_equal(encoding.apply(rgb), shown)


def test_sharpening_makes_edges_harder():
    """And keeps flat places as they are."""
    rgb = np.repeat(np.where(np.arange(64) < 32, 60, 180), 3).reshape(1, 64, 3).astype(np.uint8)
    rgb = np.repeat(rgb, 40, axis=0)
    sharp = Encoding((64, 40), BICUBIC, 100, (Saving("PNG"),)).apply(rgb)

    assert np.array_equal(sharp[:, :30], rgb[:, :30])
    assert sharp[20, 31, 0] == 30
    assert sharp[20, 32, 0] == 210


def test_chroma_is_kept_as_asked():
    """Full colours take more bytes than a quarter of them."""
    sizes = [len(Saving("JPEG", 80, kept).encode(PillowImage.fromarray(photo(96, 96))))
             for kept in ("4:4:4", "4:2:2", "4:2:0")]  # fmt: skip
    assert sizes == sorted(sizes, reverse=True)


def test_encodings_are_of_every_sort():
    """Resized or not, sharpened or not, in three formats, once or twice; one seed gives one."""
    chosen = [choose_encoding((400, 300), np.random.default_rng(seed)) for seed in range(300)]
    savings = [saving for encoding in chosen for saving in encoding.savings]

    assert chosen == [
        choose_encoding((400, 300), np.random.default_rng(seed)) for seed in range(300)
    ]
    assert {saving.format for saving in savings} == {"JPEG", "WEBP", "PNG"}
    assert {saving.subsampling for saving in savings} == {"4:4:4", "4:2:2", "4:2:0"}
    assert {len(encoding.savings) for encoding in chosen} == {1, 2}
    assert all(240 <= encoding.size[0] <= 400 for encoding in chosen)
    assert {encoding.sharpness == 0 for encoding in chosen} == {True, False}


def test_tiny_photos_do_not_vanish():
    """They keep their sides if those are under 32 pixels."""
    assert {choose_encoding((8, 2), np.random.default_rng(seed)).size for seed in range(30)} == {
        (8, 2)
    }
