from __future__ import annotations

import numpy as np
from PIL import Image

from lodestone.cli.evaluation.heat_picture import QUADRANTS, draw_heat
from lodestone.cli.pictures.drawing import write_figure


def test_the_probable_quadrant_is_red(tmp_path):
    """Each at its place: the second is top right."""
    Image.new("RGB", (320, 240), (128, 128, 128)).save(tmp_path / "a.jpg")
    quadrants = dict(zip(QUADRANTS, (0.0, 1.0, 0.0, 0.5), strict=True))
    facts = {"file": "a.jpg", "probability": 0.99, "threshold": 0.9, "quadrants": quadrants}

    figure = draw_heat(tmp_path / "a.jpg", facts)
    write_figure(figure, tmp_path / "heat.png", form="png", title="a.jpg")

    with Image.open(tmp_path / "heat.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    redness = pixels[..., 0] - pixels[..., 1]
    middle = pixels.shape[0] // 2, pixels.shape[1] // 2
    top, bottom = redness[: middle[0]], redness[middle[0] :]
    means = [
        part.mean() for half in (top, bottom) for part in np.split(half[:, :760], [380], axis=1)
    ]
    assert means[1] > means[3] > 5 * max(means[0], means[2], 0.5)
    assert "over the threshold of 0.9" in figure.get_suptitle()
