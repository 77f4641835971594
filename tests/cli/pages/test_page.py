"""Pages that ask for nothing and run nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from lodestone.cli.pages.page import Card, Section, render, write_sheet


class Page(HTMLParser):
    """What is in a page: its tags with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def sheet(tmp_path, *cards, **options):
    section = Section("Kept", cards, **options)
    write_sheet(tmp_path / "a.html", title="What was kept", sections=[section])
    return Page((tmp_path / "a.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>.jpg",
        '" onerror="alert(1)',
        "</title><script>alert(1)</script>",
        "<!-- {{ 7 * 7 }}",
    ],
)
def test_names_from_elsewhere_are_text(tmp_path, hostile):
    """In every place where one is shown no tag, attribute or template comes out of it."""
    page = sheet(tmp_path, Card(hostile, hostile, b"jpeg"))
    assert page.text.count(hostile) == 2
    assert "script" not in {tag for tag, _ in page.tags}
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [set(one) for one in images] == [{"src", "alt", "loading"}]
    assert images[0]["alt"] == hostile


def test_names_cannot_turn_the_text_around_or_break_lines(tmp_path):
    """Overrides of direction and control characters are replaced, and names are kept apart from what follows."""
    page = sheet(tmp_path, Card("a\u202egpj.exe\nb\x00", "fits"))
    assert "a�gpj.exe b�" in page.text
    assert "bdi" in {tag for tag, _ in page.tags}


def test_a_page_asks_for_nothing(tmp_path):
    """Its pictures are inside, and its policy forbids the rest, scripts among it."""
    page = sheet(tmp_path, Card("a", "b", b"jpeg"))
    sources = [attributes.get("src") or attributes.get("href") for _, attributes in page.tags]
    assert [one for one in sources if one] == ["data:image/jpeg;base64,anBlZw=="]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert policy in [attributes.get("content") for _, attributes in page.tags]


def test_a_page_fits_telephones_and_the_dark(tmp_path):
    """It says its width, and has other colours where the reader wants it dark."""
    sheet(tmp_path, Card("a", "b"))
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in text
    assert "prefers-color-scheme: dark" in text


def test_a_card_without_a_picture_says_so_unless_none_has_one(tmp_path):
    """The words stand in the picture's place."""
    assert "no picture" in sheet(tmp_path, Card("a", "b")).text
    assert "no picture" not in sheet(tmp_path, Card("a", "b"), pictured=False).text


def test_a_template_that_lacks_a_value_is_an_error():
    """Not an empty place."""
    with pytest.raises(Exception, match="title"):
        render("sheet.html.jinja", sections=[])
