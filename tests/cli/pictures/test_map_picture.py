"""The map as a picture."""

from __future__ import annotations

import io
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from lodestone.cli.pictures.drawing import write_figure
from lodestone.cli.pictures.map_picture import count_points, draw_map
from lodestone.novelty.v1.novelty_service_pb2 import (
    MAP_ROLE_BACKGROUND,
    MAP_ROLE_GIVEN,
    MAP_ROLE_LIKED,
    MapPoint,
)
from lodestone.novelty.v1.profile_pb2 import Profile

PROFILE = Profile(name="landscapes", version=2, threshold_nats=10.0)
GREEN, ORANGE = (27, 127, 92), (194, 87, 12)
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"


def point(role, position, x, y, score):
    return MapPoint(role=role, position=position, x=x, y=y, log_likelihood=score)


POINTS = (
    point(MAP_ROLE_LIKED, 0, -0.5, 0.5, 10.0),
    point(MAP_ROLE_LIKED, 1, -0.4, -0.5, 9.9),
    point(MAP_ROLE_BACKGROUND, 0, 0.5, 0.5, -4.0),
    point(MAP_ROLE_GIVEN, 0, 0.0, 0.0, 12.0),
)


def jpeg(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (90, 60), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def drawn(tmp_path, thumbnails=(), *, form="png", points=POINTS, headed=True):
    path = tmp_path / f"map.{form}"
    figure = draw_map(PROFILE, points, dict(thumbnails), headed=headed)
    write_figure(figure, path, form=form, title="map")
    return path


@pytest.mark.parametrize(("headed", "size"), [(True, (1200, 900)), (False, (800, 800))])
def test_a_map_has_its_size_and_its_colours(tmp_path, headed, size):
    """Green for liked, orange for kept photos."""
    with Image.open(drawn(tmp_path, headed=headed)) as image:
        assert image.size == size
        reds_greens_blues = [colour for _, colour in image.convert("RGB").getcolors(1 << 20)]

    def near(wanted):
        return any(
            sum(abs(a - b) for a, b in zip(wanted, one, strict=True)) < 90
            for one in reds_greens_blues
        )

    assert near(GREEN)
    assert near(ORANGE)


def test_the_legend_counts_what_passes_and_says_what_axes_mean(tmp_path):
    """By role; filled and hollow; and that directions mean nothing."""
    words = " ".join(ET.parse(drawn(tmp_path, form="svg")).getroot().itertext())
    for text in (
        "Map of landscapes@2",
        "your liked photos: 2,",
        "ordinary photos (the background): 1,",
        "of which 0 pass",
        "kept by crawls, the newest: 1,",
        "filled: passes",
        "hollow: does not",
        "The axes mean nothing",
    ):
        assert text in words


def test_points_that_do_not_pass_are_hollow(tmp_path):
    """At the threshold passes: one liked photo of two is filled."""
    root = ET.parse(drawn(tmp_path, form="svg", headed=False)).getroot()
    styles = [one.get("style", "") for one in root.iter()]
    green = [one for one in styles if one.startswith("fill: ") and "stroke: #1b7f5c" in one]
    assert len(green) == 2
    assert sorted("fill: none" in style for style in green) == [False, True]


def test_thumbnails_are_drawn_if_they_are_there(tmp_path):
    """Inside the file; what is no JPEG is left out."""
    thumbnails = {0: jpeg("red"), 1: b"no picture"}
    root = ET.parse(drawn(tmp_path, thumbnails, form="svg")).getroot()
    links = [image.get(f"{XLINK}href") for image in root.iter(f"{SVG}image")]
    assert len(links) == 1
    assert links[0].startswith("data:image/png;base64,")
    assert not list(ET.parse(drawn(tmp_path, form="svg")).getroot().iter(f"{SVG}image"))


def test_an_empty_map_can_be_drawn(tmp_path):
    """No points, no legend for them."""
    words = " ".join(ET.parse(drawn(tmp_path, form="svg", points=())).getroot().itertext())
    assert "your liked photos" not in words
    assert "filled: passes" in words


def test_points_are_counted_by_role():
    """How many there are, and how many are at or over the threshold."""
    assert count_points(POINTS, MAP_ROLE_LIKED, 10.0) == (2, 1)
    assert count_points(POINTS, MAP_ROLE_GIVEN, 13.0) == (1, 0)
