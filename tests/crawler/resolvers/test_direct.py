from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.direct import resolve_direct
from tests.crawler.resolvers.reading_images import resolved

OWN = "https://i.redd.it/a1b2c3d4e5f61.jpg"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (OWN, [OWN]),
        ("http://i.redd.it/a1b2c3d4e5f61.jpg?x=1", [OWN]),
        ("https://preview.redd.it/a1b2c3d4e5f61.jpg?width=640&crop=smart&s=0a", [OWN]),
        ("https://preview.redd.it/the-quiet-lake-v0-a1b2c3d4e5f61.jpg?width=640&s=0a", [OWN]),
        ("https://i.redd.it/the-quiet-lake-v0-a1b2c3d4e5f61.jpg", [OWN]),
        (
            "https://preview.redd.it/award_images/x/y.png?s=1",
            ["https://preview.redd.it/award_images/x/y.png?s=1"],
        ),
        (
            "https://external-preview.redd.it/Ab-C.jpg?s=1",
            ["https://external-preview.redd.it/Ab-C.jpg?s=1"],
        ),
        ("https://v.redd.it/a1b2c3d4e5f61", []),
        ("https://h/a.jpg", ["https://h/a.jpg"]),
        ("https://h/a.JPEG?size=full", ["https://h/a.JPEG?size=full"]),
        ("https://h:8080/a%2Epng", ["https://h:8080/a%2Epng"]),
        ("https://h/a.webp", ["https://h/a.webp"]),
        ("https://upload.wikimedia.org/a/A:b.jpg", ["https://upload.wikimedia.org/a/A:b.jpg"]),
        ("https://commons.wikimedia.org/wiki/File:Lake.jpg", None),
        ("https://commons.wikimedia.org/wiki/File%3ALake.jpg", None),
        ("https://h/a.html", None),
        ("https://h/a.jpg/", ["https://h/a.jpg/"]),
        ("https://h/a.jpg.html", None),
        ("https://h/?a.jpg", None),
        ("https://h/", None),
        ("https://evil-i.redd.it.org/a", None),
    ],
)
def test_images_by_address(address, expected):
    """Reddit's own hosts, where previews become originals, and names that end as images do."""
    assert resolved(resolve_direct, address) == expected


def test_what_is_a_preview():
    """Copies that Reddit made of others' images cannot be undone, and are marked."""
    for address, is_preview in ((OWN, False), ("https://external-preview.redd.it/a.jpg?s=1", True)):
        assert [image.is_preview for image in resolve_direct(parse_url(address)).images] == [
            is_preview
        ]
