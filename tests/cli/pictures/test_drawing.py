"""Pictures as files and as parts of pages."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from PIL import Image

from lodestone.cli.pictures.drawing import (
    LIKED,
    drawing_style,
    inline_svg,
    new_figure,
    write_figure,
)


def figure():
    with drawing_style():
        drawn = new_figure(400, 300)
        axes = drawn.add_subplot()
        axes.plot([0, 1], [0, 1], color=LIKED)
        axes.set_title("3 < $4 & more")
    return drawn


def outside(svg):
    """Every address that is no namespace, no document type, and leads out of the file."""
    addresses = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', svg)
    return [one for pair in addresses for one in pair if one and one[0] != "#"]


def test_a_png_has_the_size_that_is_asked_for(tmp_path):
    """In pixels."""
    write_figure(figure(), tmp_path / "a.png", form="png", title="a")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (400, 300)


def test_an_svg_is_xml_without_scripts_and_references(tmp_path):
    """Texts stay texts, special characters among them; the title is there for who cannot see it."""
    write_figure(figure(), tmp_path / "a.svg", form="svg", title="a < b")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    root = ET.fromstring(svg)
    assert root.find("{http://www.w3.org/2000/svg}title").text == "a < b"
    assert "3 < $4 & more" in "".join(root.itertext())
    assert "script" not in svg
    assert outside(svg) == []


def test_the_same_figure_is_the_same_file(tmp_path):
    """Without date or chance, for pictures that stand in a repository."""
    for name in "ab":
        for form in ("svg", "png"):
            write_figure(figure(), tmp_path / f"{name}.{form}", form=form, title="x")
    for form in ("svg", "png"):
        assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_an_inline_svg_takes_the_colours_of_its_page():
    """Its ids begin with its name, so that two of them do not meet; no prolog, and a label that is escaped."""
    svg = inline_svg(figure(), name="one", alternative='a "line" <b>', kind="wide")
    assert svg.startswith(
        '<svg role="img" aria-label="a &#34;line&#34; &lt;b&gt;" class="wide" '.replace(
            "&#34;", "&quot;"
        )
    )
    assert "var(--liked)" in svg
    assert LIKED not in svg
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert ids
    assert all(one.startswith("one-") for one in ids)
    used = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)
    assert {a or b for a, b in used} <= set(ids)
    assert "<?xml" not in svg
    assert "DOCTYPE" not in svg
