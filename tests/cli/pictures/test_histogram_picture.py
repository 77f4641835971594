"""The histogram as a picture."""

from __future__ import annotations

import random

import pytest
from PIL import Image

from lodestone.cli.pictures.drawing import write_figure
from lodestone.cli.pictures.histogram_picture import HistogramForm, draw_histogram
from lodestone.novelty.v1.profile_pb2 import Profile, ShareEstimate

GREEN, RED = (27, 127, 92), (179, 38, 30)


def profile(*, liked=200, background=500, threshold_nats=270.0):
    chance = random.Random(1)
    one = Profile(
        name="landscapes",
        version=3,
        threshold_nats=threshold_nats,
        held_out_log_likelihoods=sorted(chance.gauss(300, 20) for _ in range(liked)),
        background_log_likelihoods=sorted(chance.gauss(200, 40) for _ in range(background)),
        expected_keep=ShareEstimate(expected=0.921, low=0.727, high=0.999, confidence=0.95),
    )
    if background:
        one.expected_pass.CopyFrom(ShareEstimate(expected=0.023, low=0, high=0.161, confidence=0.9))
    return one


def pixels(path):
    with Image.open(path) as image:
        colours = image.convert("RGB").getcolors(1 << 24)
        return image.size, {colour: count for count, colour in colours}


def texts(path):
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("form", "size"),
    [
        (HistogramForm.FILE, (1200, 700)),
        (HistogramForm.WIDE, (1200, 560)),
        (HistogramForm.NARROW, (460, 480)),
    ],
)
def test_the_picture_shows_both_samples_and_the_threshold(tmp_path, form, size):
    """The size that is stated, with the liked sample's green, the background's grey and the threshold's red."""
    figure = draw_histogram(profile(), form)
    write_figure(figure, tmp_path / "a.png", form="png", title="histogram")
    found, colours = pixels(tmp_path / "a.png")
    assert found == size
    assert colours[RED] > 100
    reds_greens_blues = colours.items()
    green = sum(count for (r, g, b), count in reds_greens_blues if g > r + 25 and g > b)
    grey = sum(count for (r, g, b), count in reds_greens_blues if r < g < b < 235 and b - r < 30)
    assert green > 3_000
    assert grey > 3_000


def test_the_picture_says_what_passes_and_what_to_expect(tmp_path):
    """Name, threshold, both shares with their intervals, both samples with their counts, and which side passes."""
    write_figure(draw_histogram(profile()), tmp_path / "a.svg", form="svg", title="histogram")
    said = texts(tmp_path / "a.svg")
    for words in (
        "What landscapes@3 lets pass",
        "Keeps 92% (73% to 99.9%) of photos like yours.",
        "About 2.3% (0% to 16%) of ordinary photos pass.",
        "In brackets: with 95% confidence.",
        "threshold: 270.00 nats or over passes",
        "← does not pass",
        "passes →",
        "not shown",
        "your liked photos, each held out",
        "ordinary photos (the background)",
    ):
        assert words in said


def test_without_background_nothing_is_said_of_it(tmp_path):
    """One sample is enough; words for which the threshold leaves no room are left out."""
    figure = draw_histogram(profile(liked=8, background=0, threshold_nats=250.0))
    write_figure(figure, tmp_path / "a.svg", form="svg", title="histogram")
    said = texts(tmp_path / "a.svg")
    assert "ordinary" not in said
    assert "your liked photos, each held out: 8" in said
    assert "passes →" in said
    assert "does not pass" not in said


def test_a_profile_without_scores_can_be_drawn(tmp_path):
    """An old profile may have none: the threshold alone."""
    figure = draw_histogram(Profile(name="old", version=1, threshold_nats=1.0))
    write_figure(figure, tmp_path / "a.svg", form="svg", title="histogram")
    assert "threshold: 1.00 nats or over passes" in texts(tmp_path / "a.svg")
