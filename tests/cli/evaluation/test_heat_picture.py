from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lodestone.cli.evaluation.heat_picture import draw_heat
from lodestone.cli.pictures.drawing import write_figure

NAMES = ("one", "two", "three", "four")


@pytest.fixture
def drawn(tmp_path):
    """Draws grey images of a size; gives the title and the redness of the picture, (height, width)."""

    def draw(size, columns, probabilities, *, upscaled=False):
        Image.new("RGB", size, (128, 128, 128)).save(tmp_path / "a.jpg")
        quadrants = dict(zip(NAMES, probabilities, strict=True))
        facts = {"file": "a.jpg", "probability": 0.99, "threshold": 0.9, "quadrants": quadrants}
        facts |= {"columns": columns, "upscaled": upscaled}
        figure = draw_heat(tmp_path / "a.jpg", facts)
        write_figure(figure, tmp_path / "heat.png", form="png", title="a.jpg")
        with Image.open(tmp_path / "heat.png") as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        return figure.get_suptitle(), pixels[..., 0] - pixels[..., 1]

    return draw


def test_the_probable_quadrant_is_red(drawn):
    """Each at its place: the second is top right."""
    title, redness = drawn((320, 240), 2, (0.0, 1.0, 0.0, 0.5))

    middle = redness.shape[0] // 2
    means = [
        part.mean()
        for half in (redness[:middle], redness[middle:])
        for part in np.split(half[:, :760], [380], axis=1)
    ]
    assert means[1] > means[3] > 5 * max(means[0], means[2], 0.5)
    assert "over the threshold of 0.9" in title


def test_an_image_that_was_scaled_up_says_so(drawn):
    """On a line of its own; no other image does."""
    titles = [drawn((300, 200), 2, (0.0,) * 4, upscaled=upscaled)[0] for upscaled in (True, False)]

    assert titles[0] == f"{titles[1]}\nscaled up: smaller than what the detector takes in"


def test_quarters_of_a_panorama_are_side_by_side(drawn):
    """As they are judged: the second of four from the left, in full height."""
    _, redness = drawn((320, 60), 4, (0.0, 1.0, 0.0, 0.0))

    red = redness > 50
    columns = np.flatnonzero(red.any(axis=0))
    assert 180 < columns.min() < 200
    assert 370 < columns.max() < 390
    assert red.any(axis=1).sum() > 100


def test_quarters_of_a_tall_panorama_are_over_each_other(drawn):
    """In a picture that is no taller than 1,600 pixels."""
    _, redness = drawn((32, 320), 1, (0.0, 0.0, 0.0, 1.0))

    assert redness.shape == (1600, 760)
    red = redness > 50
    assert np.flatnonzero(red.any(axis=1)).min() > 1150
    assert 120 < red.any(axis=0).sum() < 180
