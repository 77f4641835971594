from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.resolution import Answer, Unanswered
from services.crawler.resolvers.unknown_page import read_unknown_page

PAGE = parse_url("https://h.example/p/")


def images(html, content_type="text/html"):
    found = read_unknown_page(Answer(PAGE, html, content_type)).images
    return {image.url.text.removeprefix(PAGE.text): image.title for image in found}


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<meta property=og:image content=o.jpg><img src=a.jpg>", ["o.jpg", "a.jpg"]),
        ("<img src=a.jpg><meta property=og:image content=o.jpg>", ["o.jpg", "a.jpg"]),
        ("<img src=a.jpg><link rel=image_src href=o.jpg>", ["o.jpg", "a.jpg"]),
        ("<img src=a.jpg><meta property=og:image content=a.jpg>", ["a.jpg"]),
        ("<img src=s.jpg srcset='m.jpg 640w, l.jpg 1280w'>", ["l.jpg"]),
        ("<a href=big.jpg><img src=thumb.jpg></a>", ["big.jpg"]),
        ("<meta property=og:image content=http://u:p@h/o.jpg><img src=a.jpg>", ["a.jpg"]),
        ("".join(f"<img src={n}.jpg>" for n in range(30)), [f"{n}.jpg" for n in range(20)]),
        ("<img src='a.jpg?x&amp;amp;y'>", ["a.jpg?x&amp;y"]),
    ],
)
def test_images(html, expected):
    """What the head names, then what is shown, each at its widest, the first 20."""
    assert list(images(html)) == expected


def test_titles():
    """As the page has them."""
    html = "<title>T</title><meta property=og:image content=o.jpg><img src=a.jpg alt='A lake'>"
    assert images(html) == {"o.jpg": "T", "a.jpg": "A lake"}


@pytest.mark.parametrize("content_type", ["text/html", "", "application/xhtml+xml"])
def test_types_of_pages(content_type):
    """A page without a type is read as well."""
    assert list(images("<img src=a.jpg>", content_type)) == ["a.jpg"]


@pytest.mark.parametrize(
    ("html", "content_type"),
    [("<p>text", "text/html"), ("", "text/html"), ("", ""), ("<img src=a>", "text/plain")],
)
def test_without_images(html, content_type):
    """One error with the cause."""
    with pytest.raises(Unanswered):
        images(html, content_type)


@pytest.mark.parametrize("words", ["noai", "noimageai", "noindex", "none"])
def test_a_page_that_opts_out(words):
    """It gives no image, and the cause says so; nofollow alone is no matter for one page."""
    html = "<meta property=og:image content=o.jpg><img src=a.jpg><meta name=robots content={}>"
    with pytest.raises(Unanswered, match=f"its <meta> says {words}"):
        images(html.format(words))
    assert list(images(html.format("nofollow"))) == ["o.jpg", "a.jpg"]
