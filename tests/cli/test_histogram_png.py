"""The PNG of the histogram."""

from __future__ import annotations

import random

from PIL import Image

from lodestone.cli.histogram import histogram_of
from lodestone.cli.histogram_png import write_histogram

GREEN, RED = (27, 127, 92), (179, 38, 30)


def test_the_png_shows_both_samples_and_the_threshold(tmp_path):
    """1200 × 700 pixels, with the liked sample's green, the background's grey and the threshold's red."""
    chance = random.Random(1)
    histogram = histogram_of(
        [chance.gauss(300, 20) for _ in range(200)],
        [chance.gauss(200, 40) for _ in range(500)],
        threshold_nats=270.0,
    )
    write_histogram(histogram, tmp_path / "histogram.png", title="landscapes@1")
    with Image.open(tmp_path / "histogram.png") as image:
        assert image.size == (1200, 700)
        colours = {colour[:3]: count for count, colour in image.convert("RGB").getcolors(1 << 24)}
    assert colours[RED] > 300
    greenish = sum(
        count for (red, green, blue), count in colours.items() if green > red + 25 and green > blue
    )
    assert greenish > 5_000


def test_a_profile_without_background_can_be_drawn(tmp_path):
    """One sample is enough."""
    histogram = histogram_of([1.0, 2.0, 3.0], [], threshold_nats=1.0)
    write_histogram(histogram, tmp_path / "histogram.png", title="small@1")
    assert (tmp_path / "histogram.png").stat().st_size > 5_000
