from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.declared_images import declared_images
from services.crawler.resolvers.resolution import Unanswered

PAGE = parse_url("https://h/p/")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<meta property=og:image content=a.jpg>", ["a.jpg"]),
        ("<meta name=og:image content=a.jpg>", ["a.jpg"]),
        ("<META PROPERTY=' OG:Image ' CONTENT=a.jpg>", ["a.jpg"]),
        (
            "<meta property=og:image:secure_url content=a.jpg><meta property=og:image content=b.jpg>",
            ["a.jpg", "b.jpg"],
        ),
        (
            "<meta property=og:image content=a.jpg><meta name=twitter:image content=a.jpg>",
            ["a.jpg"],
        ),
        ("<meta property=og:image content='a.jpg?x=1&amp;y=2'>", ["a.jpg?x=1&y=2"]),
        ("<link rel='image_src' href=a.jpg><link rel='icon' href=b.jpg>", ["a.jpg"]),
        ("<meta property=og:image><meta property=og:image content='  '>", []),
        ("<meta property=og:image content='javascript:x'>", []),
        ("<meta property=og:title content=a.jpg><img src=a.jpg>", []),
        ("<!-- <meta property=og:image content=a.jpg> -->", []),
        (
            "".join(f"<meta property=og:image content={n}>" for n in range(150)),
            [f"{n}" for n in range(100)],
        ),
        ("", []),
    ],
)
def test_what_a_head_names(html, expected):
    """`og:image`, `twitter:image` and `image_src`, each address once, in order."""
    found = [url.text.removeprefix("https://h/p/") for url in declared_images(html, PAGE)]
    assert found == expected


def test_a_page_that_opts_out():
    """It gives no address, wherever it says so."""
    html = "<meta property=og:image content=a.jpg>" * 150 + "<meta name=lodestone content=noai>"
    with pytest.raises(Unanswered, match="its <meta> says noai"):
        declared_images(html, PAGE)
